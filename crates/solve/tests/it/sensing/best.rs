//! What is returned where iterates get worse: the best of them, and what was measured there.

use super::{OUTLIERS, PLANTED, packed, plain};
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::gradient::Gradient;
use rankine_solve::recovery::sensing::subgradient::{Pace, Subgradient};
use rankine_solve::recovery::sensing::{Loss, Noise, Planted, Sensing};
use rankine_solve::{Outcome, Progress, Silent, Solve, Stop};
use std::ops::ControlFlow;

/// Whether the best of all steps is returned and told of, and was not the last.
fn returns_the_best(
    solver: &dyn Solve<Sensing, Solution = Factors>,
    problem: &Sensing,
    stop: Stop,
    (breaks, outcome): (usize, Outcome),
) {
    let mut told = Vec::new();
    let mut watch = |progress: &Progress| {
        told.push(progress.objective);
        if progress.step < breaks { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let report = solver.solve(problem, None, stop, &mut watch).unwrap();
    assert_eq!(report.outcome, outcome);
    let (last, found) = (*told.last().unwrap(), *report.last().unwrap());
    let least = told.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(found.objective <= least && found.objective < 0.9 * last, "{found:?}, {least}, {last}");
    let Factors { left, right } = &report.solution;
    let step = problem.measure(&problem.pass(left.as_ref(), right.as_ref(), Loss::Square).values);
    assert_eq!((step.objective, step.residual), (found.objective, found.residual));
    assert_eq!(found.step, report.trace.len());
}

#[test]
fn steps_of_one_length_end_at_the_best_iterate() {
    let problem = Planted { noise: OUTLIERS, bound: 3, ..PLANTED }.positive(packed(120, 8)).unwrap().problem;
    let solver = Subgradient { pace: Pace::Geometric { eta: 0.7, rho: 1.0 }, ..Subgradient::default() };
    let stop = |steps| Stop { steps, tolerance: 1e-8 };
    returns_the_best(&solver, &problem, stop(61), (usize::MAX, Outcome::StepLimit));
    returns_the_best(&solver, &problem, stop(1000), (61, Outcome::Interrupted));
}

#[test]
fn steps_that_are_too_long_end_where_they_began() {
    let problem = PLANTED.positive(plain(60, 5, 5)).unwrap().problem;
    let wild = Gradient { eta: 1e3, ..Gradient::default() };
    let stop = Stop { steps: 100, tolerance: 1e-8 };
    returns_the_best(&wild, &problem, stop, (usize::MAX, Outcome::NotFinite));
}

/// The median of the residuals, which the traces tell, may be less at an iterate far away.
#[test]
fn what_is_minimised_tells_which_is_the_best() {
    let problem = Planted { noise: Noise::Gaussian { deviation: 0.5 }, ..PLANTED }
        .positive(packed(200, 8))
        .unwrap()
        .problem;
    let squares = |Factors { left, right }: &Factors| -> f64 {
        let values = problem.pass(left.as_ref(), right.as_ref(), Loss::Square).values;
        values.iter().zip(problem.measured()).map(|(value, y)| (value - y).powi(2)).sum()
    };
    let solve = |steps| {
        let stop = Stop { steps, tolerance: 0.0 };
        Gradient::default().solve(&problem, None, stop, &mut Silent::watch).unwrap().solution
    };
    let steps = [1, 10, 100, 1000].map(|steps| squares(&solve(steps)));
    assert!(steps.windows(2).all(|pair| pair[1] <= pair[0]), "{steps:?}");
}
