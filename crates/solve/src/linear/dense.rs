//! A dense Cholesky factor.

use super::sparse::Sparse;
use crate::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::{Mat, MatMut, Par};
use rankine_linalg::double::cholesky;
use rankine_linalg::{Going, always};

/// L with A = L·Lᵀ; [n, n]. An empty row of A is one of the identity.
pub(super) struct Factor(Mat<f64>);

impl Factor {
    /// Factors a symmetric matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// When a pivot is not above zero, or `going` stops it.
    pub fn new(matrix: &Sparse, going: &Going<'_>) -> Result<Self> {
        let mut lower = leading(matrix, matrix.rows());
        match cholesky(lower.as_mut(), going)? {
            None => Ok(Self(lower)),
            Some(pivot) => Err(Error::NotPositive { what: "the matrix", pivot, value: schur(matrix, pivot) }),
        }
    }

    /// x ← A⁻¹·x; x: [n].
    pub fn solve(&self, x: &mut [f64]) {
        let size = x.len();
        let mut memory = MemBuffer::new(solve_in_place_scratch::<f64>(size, 1, Par::Seq));
        let x = MatMut::from_column_major_slice_mut(x, size, 1);
        solve_in_place(self.0.as_ref(), x, Par::Seq, MemStack::new(&mut memory));
    }
}

/// The lower triangle of the leading block; [size, size].
fn leading(matrix: &Sparse, size: usize) -> Mat<f64> {
    let mut lower = Mat::zeros(size, size);
    for row in 0..size {
        lower[(row, row)] = 1.0;
        matrix
            .row(row)
            .filter(|entry| entry.0 <= row)
            .for_each(|(column, value)| lower[(row, column)] = value);
    }
    lower
}

/// What elimination of the rows before makes of a diagonal entry; NaN where those are at fault already.
fn schur(matrix: &Sparse, pivot: usize) -> f64 {
    let mut lower = leading(matrix, pivot);
    if cholesky(lower.as_mut(), &always) != Ok(None) {
        return f64::NAN;
    }
    let before = || matrix.row(pivot).filter(|entry| entry.0 < pivot);
    let mut row = vec![0.0; pivot];
    before().for_each(|(column, value)| row[column] = value);
    Factor(lower).solve(&mut row);
    matrix.at(pivot, pivot).unwrap_or(0.0) - before().map(|(column, value)| value * row[column]).sum::<f64>()
}
