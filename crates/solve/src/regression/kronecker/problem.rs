//! The problem, and what is measured of it.

use super::super::problem::{LeastSquares, finite_target, frobenius, measure, tall};
use crate::vectors::norm;
use crate::{Error, Result, Step};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// A regression problem on a Kronecker product; see the module.
#[derive(Clone, Debug)]
pub struct KroneckerRegression {
    first: Mat<f64>,
    second: Mat<f64>,
    target: Vec<f64>,
    /// ‖A₁‖ ‖A₂‖ ‖b‖.
    scale: f64,
}

impl KroneckerRegression {
    /// Checks and keeps a problem; first: [n₁, d₁], second: [n₂, d₂], target: [n₁·n₂].
    ///
    /// # Errors
    /// When a factor is empty or has more columns than rows, the target has another length, or an entry is not finite.
    pub fn new(first: Mat<f64>, second: Mat<f64>, target: Vec<f64>) -> Result<Self> {
        tall("the first factor", first.as_ref())?;
        tall("the second factor", second.as_ref())?;
        let (found, expected) = (target.len(), first.nrows() * second.nrows());
        if found != expected {
            let reason = "the product of the factors has so many rows";
            return Err(Error::Size { what: "target", unit: "entries", found, expected, reason });
        }
        finite_target(&target)?;
        let scale = frobenius(first.as_ref()) * frobenius(second.as_ref()) * norm(&target);
        Ok(Self { first, second, target, scale })
    }

    /// A₁ and A₂.
    pub fn factors(&self) -> [MatRef<'_, f64>; 2] {
        [self.first.as_ref(), self.second.as_ref()]
    }

    /// b; [n₁·n₂].
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// Bᵀ; [n₂, n₁].
    pub(super) fn turned_target(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.target, self.second.nrows(), self.first.nrows())
    }

    /// d₁·d₂.
    pub fn columns(&self) -> usize {
        self.first.ncols() * self.second.ncols()
    }

    /// Objective and residual.
    ///
    /// # Errors
    /// When x has not d₁·d₂ entries.
    pub fn measure(&self, coefficients: &[f64]) -> Result<Step> {
        measure(self, coefficients)
    }
}

impl LeastSquares for KroneckerRegression {
    fn unknowns(&self) -> usize {
        self.columns()
    }

    fn target(&self) -> &[f64] {
        &self.target
    }

    /// (A₁·X·A₂ᵀ)ᵀ = A₂·Xᵀ·A₁ᵀ, and Xᵀ [d₂, d₁] is x column by column.
    fn image(&self, x: &[f64]) -> Result<Vec<f64>> {
        let (found, expected) = (x.len(), self.columns());
        if found != expected {
            let reason = "the product of the factors has so many columns";
            return Err(Error::Size { what: "coefficients", unit: "entries", found, expected, reason });
        }
        let turned = MatRef::from_column_major_slice(x, self.second.ncols(), self.first.ncols());
        let half = product(self.second.as_ref(), turned);
        let half = MatRef::from_column_major_slice(&half, self.second.nrows(), self.first.ncols());
        Ok(product(half, self.first.transpose()))
    }

    fn gradient(&self, left: &[f64]) -> Result<Vec<f64>> {
        let turned = MatRef::from_column_major_slice(left, self.second.nrows(), self.first.nrows());
        let half = product(self.second.transpose(), turned);
        let half = MatRef::from_column_major_slice(&half, self.second.ncols(), self.first.nrows());
        Ok(product(half, self.first.as_ref()))
    }

    fn scale(&self) -> f64 {
        self.scale
    }
}

/// Columns of a product that are worked on by themselves.
const COLUMNS: usize = 64;

/// left·right, column after column, on all threads; left has a row.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Vec<f64> {
    let rows = left.nrows();
    let mut product = vec![0.0; rows * right.ncols()];
    product.par_chunks_mut(COLUMNS * rows).enumerate().for_each(|(chunk, target)| {
        let width = target.len() / rows;
        let right = right.subcols(chunk * COLUMNS, width);
        let target = MatMut::from_column_major_slice_mut(target, rows, width);
        matmul(target, Accum::Replace, left, right, 1.0, Par::Seq);
    });
    product
}
