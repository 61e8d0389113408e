//! Recovery: a matrix of low rank from less than its entries.
//!
//!     M ≈ L · Rᵀ        M: [rows, columns]  L: [rows, k]  R: [columns, k]
//!
//! [`sensing`] knows m linear measurements of M, of which some may be garbage; [`completion`] knows some of its entries. Both
//! answer with [`Factors`].

pub mod completion;
mod factors;
mod pattern;
pub mod sensing;
mod subspace;
mod vectors;

pub use factors::Factors;

use crate::{Iterate, Pulse, Result, Silent};
use faer::Mat;
use rankine_linalg::double;
use rankine_random::Rng;

/// What `measure` says of the start and of the iterate after every step: for measures that only an experiment has, such as the
/// distance to a truth that it planted.
///
/// # Errors
/// Those of the solver.
pub fn trajectory<P: ?Sized, S: Iterate<P>>(
    solver: &S,
    problem: &P,
    steps: usize,
    mut measure: impl FnMut(&S::State) -> f64,
) -> Result<Vec<f64>> {
    let mut watch = Silent::watch;
    let pulse = Pulse::new(&mut watch);
    let mut state = solver.start(problem, None, &pulse)?;
    let mut measured = vec![measure(&state)];
    for _ in 0..steps {
        solver.step(problem, &mut state, &pulse)?;
        measured.push(measure(&state));
    }
    Ok(measured)
}

/// A matrix of independent normal numbers; [rows, columns].
fn normal(rows: usize, columns: usize, deviation: f64, mut rng: Rng) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| deviation * rng.normal_f64())
}

/// Columns that are orthonormal and else random; [rows, columns].
fn orthonormal(rows: usize, columns: usize, rng: Rng) -> Mat<f64> {
    double::orthonormal_basis(normal(rows, columns, 1.0, rng))
}

/// Singular values from 1 down to 1/condition, in equal ratios; [rank].
fn spectrum(rank: usize, condition: f64) -> Vec<f64> {
    let last = rank.saturating_sub(1).max(1) as f64;
    (0..rank).map(|index| condition.powf(-(index as f64) / last)).collect()
}
