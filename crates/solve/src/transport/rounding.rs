//! From a plan that nearly meets the constraints to one that does.
//!
//!     P' = diag(min(1, a / P·1)) · P      P'' = P' · diag(min(1, b / P'ᵀ·1))      P'' + E,   E·1 = a − P''·1, Eᵀ·1 = b − P''ᵀ·1
//!
//! Altschuler, Weed, Rigollet 2017 (algorithm 2): ‖P − rounded‖₁ ≤ 2·(‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁). Departure: E is not of rank
//! one but filled from the first row and column on; the bound is the same, and at most n + m − 1 entries are added.

use super::{Coupling, Transport};

/// The plan with the row and column sums of the problem, close to a plan without negative entries.
pub fn rounded(plan: Coupling, problem: &Transport) -> Coupling {
    let factors = |found: &[f64], wanted: &[f64]| -> Vec<f64> {
        let shrink = |(found, wanted): (&f64, &f64)| if found > wanted { wanted / found } else { 1.0 };
        found.iter().zip(wanted).map(shrink).collect()
    };
    let (rows, columns) = plan.shape();
    let by_row = factors(&plan.sums().0, problem.source());
    let plan = plan.scaled(&by_row, &vec![1.0; columns]);
    let by_column = factors(&plan.sums().1, problem.target());
    let plan = plan.scaled(&vec![1.0; rows], &by_column);
    let (source, target) = plan.sums();
    let lack = |found: &[f64], wanted: &[f64]| -> Vec<f64> {
        found.iter().zip(wanted).map(|(found, wanted)| (wanted - found).max(0.0)).collect()
    };
    plan.plus(staircase(lack(&source, problem.source()), lack(&target, problem.target())))
}

/// What is left in the rows given to what is wanted in the columns, both from the first on: entries (row, column, mass).
pub(super) fn staircase(mut left: Vec<f64>, mut wanted: Vec<f64>) -> Vec<(usize, usize, f64)> {
    let (mut row, mut column, mut entries) = (0, 0, Vec::new());
    while row < left.len() && column < wanted.len() {
        let mass = left[row].min(wanted[column]);
        if mass > 0.0 {
            entries.push((row, column, mass));
        }
        left[row] -= mass;
        wanted[column] -= mass;
        if left[row] <= 0.0 {
            row += 1;
        } else {
            column += 1;
        }
    }
    entries
}
