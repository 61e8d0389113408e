//! Tests of completion: laws of all solvers, what [robust_completion] says of alternating ones, choices, refusals.

mod alternating;
mod choices;
mod laws;
mod refusals;

use rankine_solve::recovery::Factors;
use rankine_solve::recovery::completion::{Completion, Hidden, HiddenMatrix};
use rankine_solve::{Report, Silent, Solve};

const MATRIX: HiddenMatrix =
    HiddenMatrix { rows: 60, columns: 50, rank: 3, condition: 3.0, share: 0.5, deviation: 0.0, seed: 1 };

fn hide(matrix: HiddenMatrix) -> Hidden {
    matrix.hide().unwrap()
}

fn problem(hidden: &Hidden) -> Completion {
    Completion::new(hidden.entries.clone(), hidden.truth.left.ncols(), 0.0).unwrap()
}

fn run<S: Solve<Completion, Solution = Factors> + ?Sized>(
    solver: &S,
    problem: &Completion,
) -> Report<Factors> {
    solver.solve(problem, None, solver.stop(), &mut Silent::watch).unwrap()
}
