//! The exact inverse of Poisson's operator on a box without obstacles.
//!
//!     A = (S ⊗ S)·(Λ ⊕ Λ)·(S ⊗ S)       S_jk = √(2/(n+1))·sin(π·(j+1)·(k+1)/(n+1)),   λ_k = 2 − 2·cos(π·(k+1)/(n+1))
//!
//! By products with S along each axis: O(cells·Σ n), no Fourier transform. A direct solver, and the best direction that a
//! network could learn.

use super::{Direction, Operator, Poisson};
use crate::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use std::f64::consts::PI;

/// The inverse.
#[derive(Clone, Debug)]
pub struct SineInverse {
    /// S of each axis; [n, n].
    sines: Vec<Mat<f64>>,
    /// 1 / Σ λ of every combination; [cells].
    inverse: Vec<f64>,
}

impl SineInverse {
    /// The inverse of an operator.
    ///
    /// # Errors
    /// When there is an obstacle.
    pub fn new(grid: &Poisson) -> Result<Self> {
        let cells = grid.size();
        if (0..cells).any(|cell| !grid.is_fluid(cell)) {
            return Err(Error::Lacks { what: "a box without obstacles" });
        }
        let mut sums = vec![0.0];
        for &along in grid.shape() {
            let value = |k: usize| 2.0 - 2.0 * (PI * (k + 1) as f64 / (along + 1) as f64).cos();
            sums = sums.iter().flat_map(|sum| (0..along).map(move |k| sum + value(k))).collect();
        }
        let inverse = sums.into_iter().map(f64::recip).collect();
        Ok(Self { sines: grid.shape().iter().map(|&along| sines(along)).collect(), inverse })
    }

    /// S along every axis.
    fn transform(&self, values: &mut Vec<f64>) {
        let mut turned = vec![0.0; values.len()];
        for sines in self.sines.iter().rev() {
            let (along, rest) = (sines.nrows(), values.len() / sines.nrows());
            let lines = MatRef::from_column_major_slice(values.as_slice(), along, rest);
            let target = MatMut::from_column_major_slice_mut(&mut turned, rest, along);
            matmul(target, Accum::Replace, lines.transpose(), sines, 1.0, Par::Seq);
            std::mem::swap(values, &mut turned);
        }
    }
}

impl Direction for SineInverse {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        let mut values = residual.to_vec();
        self.transform(&mut values);
        values.iter_mut().zip(&self.inverse).for_each(|(value, inverse)| *value *= inverse);
        self.transform(&mut values);
        direction.copy_from_slice(&values);
    }
}

/// S; [n, n].
fn sines(along: usize) -> Mat<f64> {
    let (scale, step) = ((2.0 / (along + 1) as f64).sqrt(), PI / (along + 1) as f64);
    // The angle is brought below 2π before the sine is taken, so that large places lose no digits.
    let angle = |j: usize, k: usize| ((j + 1) * (k + 1) % (2 * (along + 1))) as f64 * step;
    Mat::from_fn(along, along, |j, k| scale * angle(j, k).sin())
}
