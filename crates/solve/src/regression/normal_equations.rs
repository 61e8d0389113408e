//! Least squares by the normal equations.
//!
//!     AᵀA = L·Lᵀ        L·Lᵀ x = Aᵀb
//!
//! n·d² in large products: the fastest way to an answer, and with the error of the squared condition, so that designs with a
//! condition above some 1e8 are refused. The columns are scaled to the same length first, which costs nothing and lets their
//! units drop out.

use super::problem::{first, fit};
use super::{Fit, Regression};
use crate::solver::direct;
use crate::{Error, Pulse, Report, Result, Solve, Stop, Watch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, Par};
use rankine_linalg::{Going, double::cholesky, tall_gram};
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalEquations {}

impl Solve<Regression> for NormalEquations {
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 1, tolerance: 1e-9 }
    }

    fn solve(
        &self,
        problem: &Regression,
        from: Option<&Fit>,
        stop: Stop,
        watch: &mut Watch<'_>,
    ) -> Result<Report<Fit>> {
        let answer = |pulse: &Pulse<'_>| {
            let going = || pulse.beats();
            let (gram, image) = tall_gram(problem.design(), problem.target_column(), &going)?;
            let (x, condition) = scaled(gram, image, &going)?;
            fit(problem, x, problem.design().nrows(), Some(condition))
        };
        direct(stop, watch, answer, || first(problem, from))
    }
}

/// The solution of G x = g with the unit diagonal that scaling gives G, and a lower bound of the root of its condition.
fn scaled(mut gram: Mat<f64>, mut image: Mat<f64>, going: &Going<'_>) -> Result<(Vec<f64>, f64)> {
    let lengths: Vec<f64> = gram.diagonal().column_vector().iter().map(|square| square.sqrt()).collect();
    for column in 0..gram.ncols() {
        for row in 0..gram.nrows() {
            gram[(row, column)] /= lengths[row] * lengths[column];
        }
        image[(column, 0)] /= lengths[column];
    }
    factor(&mut gram, &lengths, going)?;
    solve_lower_triangular_in_place(gram.as_ref(), image.as_mut(), Par::Seq);
    solve_upper_triangular_in_place(gram.transpose(), image.as_mut(), Par::Seq);
    let pivots = || gram.diagonal().column_vector().iter().copied();
    let condition = pivots().fold(0.0, f64::max) / pivots().fold(f64::INFINITY, f64::min);
    Ok((lengths.iter().enumerate().map(|(row, length)| image[(row, 0)] / length).collect(), condition))
}

/// The Cholesky factor of a matrix with a unit diagonal, in its lower triangle.
fn factor(gram: &mut Mat<f64>, lengths: &[f64], going: &Going<'_>) -> Result<()> {
    let dependent = |column: usize, share: f64| {
        let what = "the design, squared by the normal equations";
        Err(Error::Dependent { what, column, share })
    };
    // A column of zeros, which scaling has made no numbers of.
    if let Some(column) = lengths.iter().position(|&length| length == 0.0) {
        return dependent(column, 0.0);
    }
    let size = gram.ncols();
    if let Some(column) = cholesky(gram.as_mut(), going)? {
        return dependent(column, 0.0);
    }
    let rounding = (f64::EPSILON * size as f64).sqrt();
    match (0..size).find(|&column| gram[(column, column)].is_nan() || gram[(column, column)] <= rounding) {
        Some(column) => dependent(column, gram[(column, column)]),
        None => Ok(()),
    }
}
