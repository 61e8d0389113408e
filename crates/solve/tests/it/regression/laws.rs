//! Laws of every regression solver on every problem of a grid.

use super::{exact, gaussian, hard, largest, normals, problem, solve, tilted};
use rankine_solve::regression::{Regression, RegressionSolver, sketched};
use rankine_solve::{Error, Outcome};

fn grid() -> Vec<(&'static str, Regression)> {
    let zero = Regression::new(gaussian(50, 3, 2), vec![0.0; 50]).unwrap();
    let ill = Regression::new(tilted(300, 4, 1e5), normals(300, 3)).unwrap();
    let mut rare = gaussian(500, 3, 4);
    rare.row_mut(7).iter_mut().for_each(|x| *x *= 1e4);
    vec![
        ("random", problem(700, 5, 1)),
        ("square", problem(8, 8, 2)),
        ("one", problem(1, 1, 3)),
        ("column", problem(90, 1, 4)),
        ("zero", zero),
        ("ill-conditioned", ill),
        ("hard", hard(400, 6)),
        ("one heavy row", Regression::new(rare, normals(500, 6)).unwrap()),
    ]
}

#[test]
fn every_solver_answers_every_problem() {
    for (name, problem) in grid() {
        let best = exact(&problem);
        for choice in RegressionSolver::all() {
            let label = format!("{choice:?} on {name}");
            if name == "one heavy row" && matches!(choice, RegressionSolver::UniformRows(_)) {
                // It is not drawn: what rows drawn alike are known for.
                continue;
            }
            let report = match solve(choice.solver(), &problem) {
                // Rows drawn and sparse sketches may miss a direction, and say so.
                Err(Error::Dependent { what: "the sketched design", .. }) => {
                    assert!(["square", "hard", "one heavy row"].contains(&name), "{label}");
                    continue;
                }
                report => report.unwrap(),
            };
            let tight = choice.solver().stop().tolerance < 1e-8;
            // A sketch keeps its promise with a chance only.
            assert!(!tight || report.outcome == Outcome::Converged, "{label}: {:?}", report.last());
            let step = problem.measure(&report.solution.coefficients).unwrap();
            assert_eq!(step.objective, report.solution.distance, "{label}");
            assert!(step.residual <= 2.0 * choice.solver().stop().tolerance, "{label}: {step:?}");
            let slack = if tight { 1e-9 } else { 0.5 };
            let rounding = 1e-9 * largest(problem.target());
            let (least, most) = (best.distance - rounding, best.distance * (1.0 + slack) + rounding);
            assert!(
                (least..=most).contains(&step.objective),
                "{label}: {} {}",
                step.objective,
                best.distance
            );
        }
    }
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let problem = problem(5000, 20, 16);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for choice in RegressionSolver::all() {
        let run = || solve(choice.solver(), &problem).unwrap().solution;
        assert!(pool(1).install(run) == pool(3).install(run), "{choice:?}");
    }
}

#[test]
fn a_solver_is_named_in_a_file() {
    let text = r#"{"osnap": {"nonzeros": 4, "rows": 50}}"#;
    let read: RegressionSolver = serde_json::from_str(text).unwrap();
    let expected = sketched::Osnap { nonzeros: 4, rows: Some(50), ..Default::default() };
    assert_eq!(read, RegressionSolver::Osnap(expected));
    let text = r#"{"sketch-and-precondition": {"sketch": "count-sketch"}}"#;
    assert!(serde_json::from_str::<RegressionSolver>(text).is_ok());
    assert!(serde_json::from_str::<RegressionSolver>(r#"{"srht": {"row": 5}}"#).is_err());
}
