//! Two thin factors of a matrix.

use crate::{Error, Result};
use faer::{Mat, MatRef, concat};
use rankine_linalg::double::{multiply, svd_values, thin_qr};

/// The matrix left · rightᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// L; [rows, k].
    pub left: Mat<f64>,
    /// R; [columns, k].
    pub right: Mat<f64>,
}

impl Factors {
    /// L · Rᵀ; [rows, columns].
    pub fn product(&self) -> Mat<f64> {
        multiply(self.left.as_ref(), self.right.transpose())
    }

    /// (L·Rᵀ + R·Lᵀ) / 2 where the matrix is square: the answer to a problem that sees symmetric parts only.
    pub fn symmetric_product(&self) -> Mat<f64> {
        let product = self.product();
        0.5 * (&product + product.transpose())
    }

    /// The entry in row i, column j.
    pub fn entry(&self, i: usize, j: usize) -> f64 {
        (0..self.left.ncols()).map(|c| self.left[(i, c)] * self.right[(j, c)]).sum()
    }

    /// ‖L·Rᵀ − truth‖_F of a matrix that is there as a whole.
    pub fn distance(&self, truth: MatRef<'_, f64>) -> f64 {
        (self.product() - truth).norm_l2()
    }

    /// ‖L·Rᵀ − truth‖_F without any matrix of that size: the norm of the small core between orthonormal bases.
    pub fn distance_to(&self, truth: &Self) -> f64 {
        let left = concat![[self.left, -&truth.left]];
        let right = concat![[self.right, truth.right]];
        core(left.as_ref(), right.as_ref()).norm_l2()
    }

    /// ‖L·Rᵀ‖_F.
    pub fn norm(&self) -> f64 {
        core(self.left.as_ref(), self.right.as_ref()).norm_l2()
    }

    /// Singular values of the product, descending; [k].
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn singular_values(&self) -> Result<Vec<f64>> {
        Ok(svd_values(core(self.left.as_ref(), self.right.as_ref()).as_ref())?)
    }

    /// Whether all entries are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.left.is_all_finite() && self.right.is_all_finite()
    }

    /// Whether these have the sizes that a problem wants.
    pub(super) fn check(&self, rows: usize, columns: usize, rank: usize) -> Result<()> {
        let size = |what, unit, found, expected, reason| {
            if found == expected { Ok(()) } else { Err(Error::Size { what, unit, found, expected, reason }) }
        };
        size("left factor", "rows", self.left.nrows(), rows, "the matrix has so many")?;
        size("right factor", "rows", self.right.nrows(), columns, "the matrix has so many columns")?;
        size("left factor", "columns", self.left.ncols(), rank, "that is the rank of the problem")?;
        size("right factor", "columns", self.right.ncols(), rank, "that is the rank of the problem")
    }
}

/// What stands between orthonormal bases of the columns of both: left = Q·A, right = P·B, core = A·Bᵀ.
fn core(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let small = |side: MatRef<'_, f64>| {
        if side.nrows() < side.ncols() { side.to_owned() } else { thin_qr(side).1 }
    };
    multiply(small(left).as_ref(), small(right).transpose())
}
