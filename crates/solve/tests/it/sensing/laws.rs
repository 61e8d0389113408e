//! Laws of every sensing solver on every problem of a grid.

use super::{OUTLIERS, PLANTED, everywhere, packed, plain};
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::subgradient::{Pace, Subgradient};
use rankine_solve::recovery::sensing::{Loss, Measure, Planted, Sensing, SensingSolver};
use rankine_solve::{Error, Outcome, Silent, Stop};
use std::sync::Arc;

#[test]
fn every_solver_answers_every_problem() {
    let square = |planted: Planted, operator: Arc<dyn Measure>| planted.positive(operator).unwrap().problem;
    let single = Planted { rank: 1, bound: 1, ..PLANTED };
    let zeros = Sensing::new(plain(60, 5, 5), vec![0.0; 60], 2).unwrap();
    let problems = [
        ("1 × 1", square(single, plain(3, 1, 1))),
        ("one measurement", square(single, plain(1, 4, 4))),
        ("ill-conditioned", square(Planted { condition: 100.0, ..PLANTED }, packed(200, 8))),
        ("rank above that of the matrix", square(Planted { bound: 8, ..PLANTED }, plain(200, 8, 8))),
        ("outliers", square(Planted { noise: OUTLIERS, ..PLANTED }, packed(200, 8))),
        ("all entries", square(PLANTED, Arc::new(everywhere(8, 8)))),
        ("zeros", zeros),
        ("rectangular", PLANTED.rectangular(plain(200, 9, 5)).unwrap().problem),
    ];
    for (name, problem) in &problems {
        let (rows, columns) = problem.operator().shape();
        for choice in SensingSolver::all() {
            let label = format!("{choice:?} on {name}");
            let stop = Stop { steps: 100, tolerance: 1e-9 };
            let found = choice.solver().solve(problem, None, stop, &mut Silent::watch);
            if let Err(error) = found {
                assert!(rows != columns && error == Error::NotSquare { rows, columns }, "{label}: {error}");
                continue;
            }
            let report = found.unwrap();
            assert_ne!(report.outcome, Outcome::NotFinite, "{label}");
            let Factors { left, right } = &report.solution;
            let pass = problem.pass(left.as_ref(), right.as_ref(), Loss::Square);
            let (step, last) = (problem.measure(&pass.values), *report.last().unwrap());
            assert_eq!((step.residual, step.objective), (last.residual, last.objective), "{label}");
        }
    }
}

#[test]
fn every_solver_finds_a_matrix() {
    let positive = Planted { condition: 2.0, ..PLANTED }.positive(plain(300, 10, 10)).unwrap();
    let rectangular = PLANTED.rectangular(plain(300, 12, 8)).unwrap();
    for choice in SensingSolver::all() {
        let solver = choice.solver();
        let report = solver.solve(&positive.problem, None, solver.stop(), &mut Silent::watch).unwrap();
        let error = (report.solution.symmetric_product() - &positive.truth).norm_l2();
        assert!(error < 1e-4, "{choice:?}: {error:e}, {:?}", report.outcome);
        let again = solver.solve(
            &positive.problem,
            Some(&report.solution),
            Stop { steps: 1, tolerance: 1e-4 },
            &mut Silent::watch,
        );
        let again = again.unwrap();
        let first = again.trace[0].residual;
        assert!(first < 1e-3, "{choice:?}: {first:e}");
        if let Ok(report) = solver.solve(&rectangular.problem, None, solver.stop(), &mut Silent::watch) {
            let error = report.solution.distance(rectangular.truth.as_ref());
            assert!(error < 1e-6, "{choice:?}: {error:e}, {:?}", report.outcome);
        }
    }
}

#[test]
fn settings_are_read_back() {
    for choice in SensingSolver::all() {
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<SensingSolver>(&text).unwrap(), choice);
    }
    let polyak = r#"{"subgradient": {"pace": {"polyak": {"eta": 0.5}}}}"#;
    let expected = Subgradient { pace: Pace::Polyak { eta: 0.5 }, ..Subgradient::default() };
    let found: SensingSolver = serde_json::from_str(polyak).unwrap();
    assert_eq!(found, SensingSolver::Subgradient(expected));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let plant = Planted { noise: OUTLIERS, bound: 5, ..PLANTED }.positive(packed(400, 12)).unwrap();
    for choice in SensingSolver::all() {
        let solve = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let stop = Stop { steps: 4, tolerance: 0.0 };
            pool.install(|| {
                choice.solver().solve(&plant.problem, None, stop, &mut Silent::watch).unwrap().solution
            })
        };
        assert!(solve(1) == solve(3), "{choice:?}");
    }
}
