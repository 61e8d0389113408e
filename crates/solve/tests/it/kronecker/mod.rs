//! Tests of Kronecker recovery: agreement with numpy, invariants, what the paper says, laws of all solvers, pursuits, refusals.

mod agreement;
mod invariants;
mod laws;
mod paper;
mod pursuits;
mod refusals;

use rankine_solve::kronecker::{IrsMimo, KroneckerRecovery, Recovered};
use rankine_solve::{Report, Silent, Solve};

type Solver<'a> = &'a dyn Solve<KroneckerRecovery, Solution = Recovered>;

fn run(solver: Solver<'_>, problem: &KroneckerRecovery) -> Report<Recovered> {
    solver.solve(problem, None, solver.stop(), &mut Silent::watch).unwrap()
}

/// Largest difference over the largest magnitude.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / largest
}

/// A system of few antennas.
fn small() -> IrsMimo {
    IrsMimo { base: 4, elements: 16, angles: 6, pilots: 2, ..IrsMimo::default() }
}
