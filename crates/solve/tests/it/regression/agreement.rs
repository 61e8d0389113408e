//! Agreement with scipy (`fixtures/regression.json`).

use super::{apart, largest};
use faer::Mat;
use rankine_solve::regression::kronecker::{KroneckerRegression, KroneckerSolver, tensor_srht};
use rankine_solve::regression::{Regression, RegressionSolver};
use rankine_solve::{Outcome, Silent, Solve, Stop};
use serde_json::Value;

#[test]
fn solutions_are_those_of_scipy() {
    let document: Value = serde_json::from_str(include_str!("../../fixtures/regression.json")).unwrap();
    let numbers = |case: &Value, key: &str| -> Vec<f64> {
        case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    for case in document["cases"].as_array().unwrap() {
        let [rows, columns] = ["rows", "columns"].map(|key| case[key].as_u64().unwrap() as usize);
        let (a, x) = (numbers(case, "a"), numbers(case, "x"));
        let design = Mat::from_fn(rows, columns, |row, column| a[row * columns + column]);
        let problem = Regression::new(design, numbers(case, "b")).unwrap();
        let (tolerance, condition) =
            (case["tolerance"].as_f64().unwrap(), case["condition"].as_f64().unwrap());
        for choice in RegressionSolver::all() {
            let (solver, tight) = (choice.solver(), choice.solver().stop().tolerance < 1e-8);
            // Conjugate gradients stop at a small residual, which is not a small error where the condition is large.
            let reaches = !matches!(choice, RegressionSolver::ConjugateGradients(_)) || condition < 100.0;
            if !tight || !reaches {
                continue;
            }
            let squared = matches!(choice, RegressionSolver::NormalEquations(_)) && 1e3 < condition;
            let stop = Stop { tolerance: 1e-15, ..solver.stop() };
            let found = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap().solution;
            let error = apart(&found.coefficients, &x) / largest(&x);
            let allowed = tolerance * if squared { condition } else { 10.0 };
            assert!(error <= allowed, "{choice:?} on {}: {error:e}", case["name"]);
            assert!((found.distance - case["distance"].as_f64().unwrap()).abs() < 1e-9, "{choice:?}");
        }
    }
    let case = &document["kronecker"];
    let (first, second) = (numbers(case, "first"), numbers(case, "second"));
    let (first, second) =
        (Mat::from_fn(7, 3, |i, j| first[i * 3 + j]), Mat::from_fn(5, 2, |i, j| second[i * 2 + j]));
    let problem = KroneckerRegression::new(first, second, numbers(case, "b")).unwrap();
    for choice in KroneckerSolver::all() {
        let solver = choice.solver();
        let report = solver.solve(&problem, None, solver.stop(), &mut Silent::watch).unwrap();
        assert_eq!(report.outcome, Outcome::Converged, "{choice:?}");
        let distance = case["distance"].as_f64().unwrap();
        if !matches!(choice, KroneckerSolver::TensorSrht(_)) {
            let reached = if matches!(choice, KroneckerSolver::Exact(_)) { 1e-12 } else { 1e-6 };
            assert!(apart(&report.solution.coefficients, &numbers(case, "x")) < reached, "{choice:?}");
            assert!((report.solution.distance - distance).abs() < reached, "{choice:?}");
            let from = Some(&report.solution);
            let again = solver.solve(&problem, from, solver.stop(), &mut Silent::watch).unwrap();
            assert!(again.trace.len() <= 1, "{choice:?} from its answer: {}", again.trace.len());
        }
        assert!(report.solution.distance < 1.5 * distance, "{choice:?}");
    }
    // All pairs of rows of the padded transforms: nothing is lost.
    let whole = tensor_srht::TensorSrht { rows: Some(64), ..Default::default() };
    let report = whole.solve(&problem, None, whole.stop(), &mut Silent::watch).unwrap();
    assert!(apart(&report.solution.coefficients, &numbers(case, "x")) < 1e-12);
}
