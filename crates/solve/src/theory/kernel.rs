//! Regression with a kernel, all ridges at once.
//!
//!     K = V · diag(d) · Vᵀ        K: [n, n] of the training inputs  Y: [n, q] targets  d: [n] ascending, at least 0
//!     fitted = V · diag(b) · Vᵀ · Y        predicted = K_x · V · diag(c) · Vᵀ · Y        K_x: [m, n]
//!
//! Ridge regression has b = d / (d + λ) and c = 1 / (d + λ); whatever else is a function of the spectrum has its own. One
//! decomposition, O(n³), then O(n²·q) for every b and O(m·n·q) for every c beside K_x·V.

use crate::check::{finite_matrix, not_negative};
use crate::{Error, Result};
use faer::{Mat, MatRef};
use rankine_linalg::{Eigen, eigh, multiply};

/// A kernel matrix with its targets, decomposed.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelRegression {
    eigenvalues: Vec<f64>,
    vectors: Mat<f64>,
    projections: Mat<f64>,
}

impl KernelRegression {
    /// Decomposes the kernel of the training inputs, [n, n], of which the lower triangle is read; targets: [n, q].
    ///
    /// # Errors
    /// When there is no input, sizes do not agree, or an entry is not finite.
    pub fn new(kernel: MatRef<'_, f64>, targets: MatRef<'_, f64>) -> Result<Self> {
        let expected = kernel.nrows();
        if expected == 0 {
            return Err(Error::Empty { what: "the kernel matrix" });
        }
        let reason = "the kernel matrix has so many rows";
        for (what, unit, found) in
            [("the kernel matrix", "columns", kernel.ncols()), ("the targets", "rows", targets.nrows())]
        {
            if found != expected {
                return Err(Error::Size { what, unit, found, expected, reason });
            }
        }
        finite_matrix("the kernel matrix", kernel)?;
        finite_matrix("the targets", targets)?;
        let Eigen { values, vectors } = eigh(kernel)?;
        let eigenvalues = values.into_iter().map(|value| value.max(0.0)).collect();
        let projections = multiply(vectors.transpose(), targets);
        Ok(Self { eigenvalues, vectors, projections })
    }

    /// d, ascending; [n].
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// V; [n, n].
    pub fn vectors(&self) -> MatRef<'_, f64> {
        self.vectors.as_ref()
    }

    /// Vᵀ·Y; [n, q].
    pub fn projections(&self) -> MatRef<'_, f64> {
        self.projections.as_ref()
    }

    /// V · diag(b) · Vᵀ · Y; [n, q].
    pub fn fitted(&self, shrinkage: &[f64]) -> Mat<f64> {
        multiply(self.vectors.as_ref(), self.weighted(shrinkage).as_ref())
    }

    /// K_x · V of new inputs: what every prediction for them needs; [m, n].
    ///
    /// # Errors
    /// When the number of columns is not that of the training inputs.
    pub fn rotated(&self, cross: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let (found, expected) = (cross.ncols(), self.eigenvalues.len());
        if found != expected {
            let (what, unit, reason) =
                ("the kernel of new inputs", "columns", "there are so many training inputs");
            return Err(Error::Size { what, unit, found, expected, reason });
        }
        Ok(multiply(cross, self.vectors.as_ref()))
    }

    /// (K_x · V) · diag(c) · Vᵀ · Y; [m, q].
    pub fn predicted(&self, rotated: MatRef<'_, f64>, coefficients: &[f64]) -> Mat<f64> {
        multiply(rotated, self.weighted(coefficients).as_ref())
    }

    /// c of ridge regression: 1 / (d + λ); 0 where both are 0.
    ///
    /// # Errors
    /// When λ is negative or not finite.
    pub fn ridge(&self, ridge: f64) -> Result<Vec<f64>> {
        not_negative("ridge", ridge)?;
        let inverse = |&d: &f64| if 0.0 < d + ridge { (d + ridge).recip() } else { 0.0 };
        Ok(self.eigenvalues.iter().map(inverse).collect())
    }

    /// Rows of VᵀY times weights; [n, q].
    fn weighted(&self, weights: &[f64]) -> Mat<f64> {
        Mat::from_fn(self.projections.nrows(), self.projections.ncols(), |k, output| {
            weights.get(k).copied().unwrap_or(0.0) * self.projections[(k, output)]
        })
    }
}
