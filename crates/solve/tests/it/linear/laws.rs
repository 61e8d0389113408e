//! Every solver on every problem.

use super::{ball, distance, ill_conditioned, normals, random, residual, scattered};
use rankine_solve::linear::dcdm::{Dcdm, Guide};
use rankine_solve::linear::spectral::Spectral;
use rankine_solve::linear::{Drive, LinearSolver, LinearSystem, Obstacle, SparseSymmetric};
use rankine_solve::{Outcome, Progress, Silent, Stop};
use std::ops::ControlFlow;

const STOP: Stop = Stop { steps: 3000, tolerance: 1e-8 };

/// The grid of problems.
fn problems() -> Vec<(&'static str, LinearSystem)> {
    let blocks = Obstacle::Blocks { count: 4, seed: 2 }.poisson(&[21, 17]).unwrap();
    let ball_drive = Drive::Points.values(&ball(&[16, 16]), 1);
    let blocks_drive = Drive::Divergence.values(&blocks, 1);
    let diagonal = |values: &[f64]| {
        let entries =
            values.iter().enumerate().filter(|entry| *entry.1 != 0.0).map(|(i, &value)| (i, i, value));
        SparseSymmetric::new(values.len(), entries.collect()).unwrap()
    };
    let empty_rows = vec![(1, 1, 2.0), (3, 3, 2.0), (1, 3, -1.0), (3, 1, -1.0), (0, 0, 0.0)];
    let line = Obstacle::Nothing.poisson(&[50]).unwrap();
    let corridor = Obstacle::Nothing.poisson(&[1, 7]).unwrap();
    let space = ball(&[9, 8, 7]);
    let space_drive = Drive::Smooth.values(&space, 4);
    let new = |operator, rhs| LinearSystem::new(operator, rhs).unwrap();
    vec![
        ("random", new(random(30), normals(30, 1))),
        ("ill conditioned", new(ill_conditioned(40, 6.0), normals(40, 1))),
        ("scattered", new(scattered(300), normals(300, 1))),
        ("one unknown", new(diagonal(&[4.0]), vec![-3.0])),
        ("identity", new(diagonal(&[1.0; 10]), normals(10, 1))),
        ("far scales", new(diagonal(&[1e-4, 1.0, 1e4, 1e-2]), vec![1e-4, 1.0, 1e4, 1e-2])),
        ("one row only", new(diagonal(&[0.0, 0.0, 5.0]), vec![0.0, 0.0, 1.0])),
        ("empty rows", new(SparseSymmetric::new(5, empty_rows).unwrap(), vec![0.0, 1.0, 0.0, 2.0, 0.0])),
        ("tiny numbers", new(random(10), normals(10, 1).iter().map(|b| b * 1e-150).collect())),
        ("large numbers", new(random(10), normals(10, 1).iter().map(|b| b * 1e150).collect())),
        ("nothing to do", new(random(10), vec![0.0; 10])),
        ("line", LinearSystem::new(line, normals(50, 1)).unwrap()),
        ("corridor", LinearSystem::new(corridor, normals(7, 1)).unwrap()),
        ("disk", LinearSystem::new(ball(&[16, 16]), ball_drive).unwrap()),
        ("blocks", LinearSystem::new(blocks, blocks_drive).unwrap()),
        ("ball", LinearSystem::new(space, space_drive).unwrap()),
    ]
}

#[test]
fn every_solver_answers_every_problem() {
    for (name, problem) in problems() {
        for choice in LinearSolver::all() {
            let report = choice.solver().solve(&problem, None, STOP, &mut Silent::watch).unwrap();
            let label = format!("{choice:?} on {name}");
            assert_eq!(report.outcome, Outcome::Converged, "{label}: {:?}", report.last());
            let found = residual(&problem, &report.solution.x);
            assert!(found <= 1.1e-8, "{label}: {found:e}");
            assert!((found - report.solution.residual).abs() <= 1e-12, "{label}");
            assert!(problem.frozen().iter().all(|&row| report.solution.x[row] == 0.0), "{label}");
        }
    }
}

#[test]
fn the_objective_does_not_grow() {
    for (name, problem) in problems() {
        for choice in LinearSolver::all() {
            let mut before = 0.0;
            let mut watch = |progress: &Progress| {
                let slack = 1e-10 * progress.objective.abs();
                assert!(progress.objective <= before + slack, "{choice:?} on {name}: {progress:?}");
                before = progress.objective;
                ControlFlow::Continue(())
            };
            choice.solver().solve(&problem, None, STOP, &mut watch).unwrap();
        }
    }
}

#[test]
fn the_length_of_the_right_side_makes_no_difference() {
    let drive = Drive::White.values(&ball(&[12, 12]), 1);
    for choice in LinearSolver::all() {
        let steps = |factor: f64| {
            let rhs = drive.iter().map(|b| factor * b).collect();
            let scaled = LinearSystem::new(ball(&[12, 12]), rhs).unwrap();
            choice.solver().solve(&scaled, None, STOP, &mut Silent::watch).unwrap().trace.len()
        };
        assert_eq!(steps(1.0), steps(-2f64.powi(40)), "{choice:?}");
        assert!(steps(1.0).abs_diff(steps(3e-7)) <= 1, "{choice:?}");
    }
}

#[test]
fn a_solution_is_where_its_neighbour_starts() {
    let problem = LinearSystem::new(random(30), normals(30, 1)).unwrap();
    for choice in LinearSolver::all() {
        let solve = |problem: &LinearSystem, from| {
            choice.solver().solve(problem, from, STOP, &mut Silent::watch).unwrap()
        };
        let first = solve(&problem, None);
        assert_eq!(solve(&problem, Some(&first.solution)).trace.len(), 1, "{choice:?}");
        let moved = problem.rhs().iter().map(|b| b * (1.0 + 1e-6)).collect();
        let near = LinearSystem::new(random(30), moved).unwrap();
        let (cold, warm) = (solve(&near, None), solve(&near, Some(&first.solution)));
        assert!(warm.trace.len() <= cold.trace.len(), "{choice:?}");
        assert!(distance(&warm.solution.x, &cold.solution.x) < 1e-6, "{choice:?}");
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let grid = ball(&[192, 192]);
    let drive = Drive::White.values(&grid, 1);
    let problem = LinearSystem::new(grid, drive).unwrap();
    let stop = Stop { steps: 3, tolerance: 0.0 };
    let few = Spectral { vectors: 4, steps: 8, seed: 0 };
    let guided = Dcdm { history: 2, guide: Guide::Spectral(few) };
    let choices = LinearSolver::all().into_iter().filter_map(|choice| match choice {
        LinearSolver::Cholesky(_) => None,
        LinearSolver::Spectral(_) => Some(LinearSolver::Spectral(few)),
        LinearSolver::Dcdm(_) => Some(LinearSolver::Dcdm(guided)),
        other => Some(other),
    });
    for choice in choices {
        let solve = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap().solution.x
            })
        };
        assert_eq!(solve(1), solve(3), "{choice:?}");
    }
}

#[test]
fn settings_are_named_as_they_are_written() {
    for choice in LinearSolver::all() {
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<LinearSolver>(&text).unwrap(), choice, "{text}");
    }
    let text = r#"{"dcdm": {"history": 5, "guide": {"incomplete-cholesky": {"modified": 0.97}}}}"#;
    assert!(matches!(serde_json::from_str(text), Ok(LinearSolver::Dcdm(dcdm)) if dcdm.history == 5));
    assert!(serde_json::from_str::<LinearSolver>(r#"{"cg": {"steps": 3}}"#).is_err());
}
