//! Matrices that rounding cannot tell from singular ones.

use super::residual;
use faer::Mat;
use rankine_solve::linear::cholesky::Cholesky;
use rankine_solve::linear::{LinearSolver, LinearSystem, SparseSymmetric};
use rankine_solve::{Outcome, Progress, Silent, Solve, Stop};
use std::ops::ControlFlow;

/// The condition is 1.7e16.
fn hilbert() -> LinearSystem {
    let matrix = Mat::from_fn(12, 12, |i, j| 1.0 / (i + j + 1) as f64);
    LinearSystem::new(SparseSymmetric::from_dense(matrix.as_ref()).unwrap(), vec![1.0; 12]).unwrap()
}

#[test]
fn a_direct_solution_is_taken_whole() {
    let (problem, solver) = (hilbert(), Cholesky::default());
    let report = solver.solve(&problem, None, Solve::stop(&solver), &mut Silent::watch).unwrap();
    assert_eq!((report.outcome, report.trace.len()), (Outcome::Converged, 1));
    assert!(residual(&problem, &report.solution.x) < 1e-7, "{:?}", report.last());
    let stop = Stop { steps: 1000, tolerance: 0.0 };
    let refined = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap();
    assert!(refined.outcome == Outcome::Stalled && refined.trace.len() < 10, "{}", refined.trace.len());
    assert!(refined.solution.residual <= report.solution.residual);
}

#[test]
fn what_rounding_makes_of_the_rest_is_not_returned() {
    let problem = hilbert();
    for choice in LinearSolver::all() {
        let mut least = f64::INFINITY;
        let mut watch = |progress: &Progress| {
            least = least.min(progress.residual);
            ControlFlow::Continue(())
        };
        let stop = Stop { steps: 1000, tolerance: 1e-13 };
        let report = choice.solver().solve(&problem, None, stop, &mut watch).unwrap();
        let (told, found) = (report.last().unwrap().residual, residual(&problem, &report.solution.x));
        // The one that is carried along is off by the rounding of A·x, 1e-8 of b where x is 1e8 of it.
        assert!(found <= 2.0 * told + 1e-7, "{choice:?}: {found:e}, told {told:e}");
        assert!((found - report.solution.residual).abs() <= 1e-12 * found, "{choice:?}");
        // Along conjugate directions the residual may grow while the solution gets nearer.
        assert!(found <= 1e12 * least + 1e-7, "{choice:?}: {found:e}, seen {least:e}");
        assert!(report.last().unwrap().objective <= 0.0, "{choice:?}: worse than nothing");
        let explodes = matches!(choice, LinearSolver::IncompleteCholesky(_));
        assert!(!explodes || found <= 11.0 * least, "{found:e}, seen {least:e}");
    }
}

#[test]
fn a_residual_that_grows_while_the_objective_falls_is_no_explosion() {
    let matrix = Mat::from_fn(2, 2, |i, j| [[1.0, 5e8], [5e8, 1e18]][i][j]);
    let operator = SparseSymmetric::from_dense(matrix.as_ref()).unwrap();
    let problem = LinearSystem::new(operator, vec![1.0, 0.0]).unwrap();
    for choice in LinearSolver::all() {
        if matches!(choice, LinearSolver::Multigrid(_)) {
            continue;
        }
        let stop = Stop { steps: 100, tolerance: 1e-5 };
        let report = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
        let error = (report.solution.x[0] - 4.0 / 3.0).abs();
        assert!(report.outcome == Outcome::Converged && error < 1e-3, "{choice:?}: {:?}", report.solution.x);
    }
}
