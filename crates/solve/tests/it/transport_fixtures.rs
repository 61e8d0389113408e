//! Agreement with POT and scipy; `fixtures/transport_sparse.py` says how the numbers were made.

use faer::Mat;
use rankine_solve::transport::line::Line;
use rankine_solve::transport::points::{Metric, cost};
use rankine_solve::transport::{
    Plan, Transport, TransportSolver, exact::Exact, quadratic::Quadratic,
    sparsity_constrained::SparsityConstrained,
};
use rankine_solve::{Outcome, Report, Silent, Stop};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/transport_sparse.json")).unwrap()
}

fn vector(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|entry| entry.as_f64().unwrap()).collect()
}

fn matrix(value: &Value) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn distance(left: &Mat<f64>, right: &Mat<f64>) -> f64 {
    (left - right).norm_max()
}

fn solve(problem: &Transport, choice: &TransportSolver, tolerance: f64) -> Report<Plan> {
    let solver = choice.solver();
    solver.solve(problem, None, Stop { tolerance, ..solver.stop() }, &mut Silent::watch).unwrap()
}

fn problem(case: &Value, regularization: f64) -> Transport {
    let cost = matrix(&case["costs"]["sqeuclidean"]);
    Transport::new(cost, vector(&case["source"]), vector(&case["target"]), regularization).unwrap()
}

#[test]
fn costs_of_points_are_those_of_scipy() {
    for case in list(&fixture()["problems"]) {
        let (x, y) = (matrix(&case["x"]), matrix(&case["y"]));
        for (name, expected) in case["costs"].as_object().unwrap() {
            let metric: Metric = serde_json::from_value(name.as_str().into()).unwrap();
            let found = cost(x.as_ref(), y.as_ref(), metric).unwrap();
            assert!(distance(&found, &matrix(expected)) < 1e-12, "{name}");
        }
    }
}

#[test]
fn exact_plans_are_those_of_the_linear_program() {
    for case in list(&fixture()["problems"]) {
        let report = solve(&problem(case, 0.0), &TransportSolver::Exact(Exact::default()), 1e-12);
        assert_eq!(report.outcome, Outcome::Converged);
        for expected in [&case["emd"]["cost"], &case["linprog"]] {
            assert!((report.solution.cost - expected.as_f64().unwrap()).abs() < 1e-10);
        }
        assert!(distance(&report.solution.plan.dense(), &matrix(&case["emd"]["plan"])) < 1e-10);
    }
}

#[test]
fn smooth_plans_are_those_of_pot() {
    for case in list(&fixture()["problems"]) {
        for expected in list(&case["smooth"]) {
            let problem = problem(case, expected["regularization"].as_f64().unwrap());
            let choice = match expected["max_nonzeros"].as_u64() {
                None => TransportSolver::Quadratic(Quadratic::default()),
                Some(k) => TransportSolver::SparsityConstrained(SparsityConstrained {
                    max_nonzeros: k as usize,
                    ..Default::default()
                }),
            };
            let report = solve(&problem, &choice, 1e-9);
            let [value, residual] = ["value", "residual"].map(|name| expected[name].as_f64().unwrap());
            // Where POT's plan misses the masses, its maximiser has stopped at a corner: any maximum is above its value.
            if residual < 1e-5 {
                assert_eq!(report.outcome, Outcome::Converged, "{choice:?}");
                let found = report.last().unwrap().objective;
                assert!((found - value).abs() < 1e-8, "{choice:?}: {found} for {value}");
                let apart = distance(&report.solution.plan.dense(), &matrix(&expected["plan"]));
                assert!(apart < 1e-6_f64.max(residual), "{choice:?}: {apart}");
            } else {
                let found = report.trace.iter().map(|step| step.objective).fold(f64::MIN, f64::max);
                assert!(found > value - 1e-6, "{choice:?}: {found} for {value}");
            }
        }
    }
}

#[test]
fn distances_on_the_line_are_those_of_scipy_and_pot() {
    for case in list(&fixture()["lines"]) {
        let side = |places: &str, masses: &str| {
            Line::samples(&vector(&case[places]), &vector(&case[masses])).unwrap()
        };
        let (left, right) = (side("x", "source"), side("y", "target"));
        for (power, name) in [(1.0, "w1"), (2.0, "w2")] {
            let found = left.distance(&right, power).unwrap();
            assert!((found - case[name].as_f64().unwrap()).abs() < 1e-12, "{name}");
        }
    }
}
