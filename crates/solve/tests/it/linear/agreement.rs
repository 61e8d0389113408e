//! Agreement with scipy.

use super::distance;
use rankine_solve::linear::{LinearSolver, LinearSystem, SparseSymmetric};
use rankine_solve::{Silent, Stop};
use serde_json::Value;

struct Case {
    name: String,
    problem: LinearSystem,
    x: Vec<f64>,
    condition: f64,
    /// Of scipy's conjugate gradients, alone and with the inverse diagonal.
    steps: [Option<u64>; 2],
}

fn cases() -> Vec<Case> {
    let document: Value = serde_json::from_str(include_str!("../../fixtures/linear.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let read = |case: &Value| {
        let entries = case["entries"].as_array().unwrap().iter().map(numbers);
        let entries = entries.map(|entry| (entry[0] as usize, entry[1] as usize, entry[2])).collect();
        let matrix =
            SparseSymmetric::from_triangle(case["size"].as_u64().unwrap() as usize, entries).unwrap();
        Case {
            name: case["name"].to_string(),
            problem: LinearSystem::new(matrix, numbers(&case["b"])).unwrap(),
            x: numbers(&case["x"]),
            condition: case["condition"].as_f64().unwrap(),
            steps: [case["cg_steps"].as_u64(), case["jacobi_steps"].as_u64()],
        }
    };
    document["cases"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn solutions_are_those_of_spsolve() {
    for case in cases() {
        for choice in LinearSolver::all() {
            let stop = Stop { steps: 3000, tolerance: 1e-13 };
            let report = choice.solver().solve(&case.problem, None, stop, &mut Silent::watch).unwrap();
            let (found, allowed) = (distance(&report.solution.x, &case.x), 1e-10 + 1e-14 * case.condition);
            assert!(found <= allowed, "{choice:?} on {}: {found:e} of {allowed:e}", case.name);
        }
    }
}

#[test]
fn steps_are_those_of_scipys_cg() {
    let [cg, jacobi] = LinearSolver::all().into_iter().take(2).collect::<Vec<_>>().try_into().unwrap();
    for case in cases() {
        for (choice, wanted) in [&cg, &jacobi].into_iter().zip(case.steps) {
            let Some(wanted) = wanted else { continue };
            let stop = Stop { steps: 1000, tolerance: 1e-8 };
            let report = choice.solver().solve(&case.problem, None, stop, &mut Silent::watch).unwrap();
            let steps = report.trace.len() as u64;
            assert!(steps.abs_diff(wanted) <= 1, "{choice:?} on {}: {steps}, scipy {wanted}", case.name);
        }
    }
}
