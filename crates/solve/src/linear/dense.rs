//! A dense Cholesky factor.

use super::sparse::Sparse;
use crate::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{
    LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch,
};
use faer::linalg::cholesky::llt::solve::{solve_in_place, solve_in_place_scratch};
use faer::{Mat, MatMut, Par, Spec};

/// L with A = L·Lᵀ; [n, n]. An empty row of A is one of the identity.
pub(super) struct Factor(Mat<f64>);

impl Factor {
    /// Factors a symmetric matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// When a pivot is not above zero.
    pub fn new(matrix: &Sparse) -> Result<Self> {
        let size = matrix.rows();
        match factor(matrix, size) {
            Ok(lower) => Ok(Self(lower)),
            Err(LltError::NonPositivePivot { index: pivot }) => {
                let value = schur(matrix, pivot);
                Err(Error::NotPositive { what: "the matrix", pivot, value })
            }
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

/// Factors the leading block.
fn factor(matrix: &Sparse, size: usize) -> std::result::Result<Mat<f64>, LltError> {
    let mut lower = Mat::zeros(size, size);
    for row in 0..size {
        lower[(row, row)] = 1.0;
        matrix
            .row(row)
            .filter(|entry| entry.0 <= row)
            .for_each(|(column, value)| lower[(row, column)] = value);
    }
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(size, Par::Seq, Spec::default()));
    let (target, stack) = (lower.as_mut(), MemStack::new(&mut memory));
    cholesky_in_place(target, LltRegularization::default(), Par::Seq, stack, Spec::default())?;
    Ok(lower)
}

/// What elimination of the rows before makes of a diagonal entry; NaN where those are at fault already.
fn schur(matrix: &Sparse, pivot: usize) -> f64 {
    let Ok(lower) = factor(matrix, pivot) else { return f64::NAN };
    let before = || matrix.row(pivot).filter(|entry| entry.0 < pivot);
    let mut row = vec![0.0; pivot];
    before().for_each(|(column, value)| row[column] = value);
    Factor(lower).solve(&mut row);
    matrix.at(pivot, pivot).unwrap_or(0.0) - before().map(|(column, value)| value * row[column]).sum::<f64>()
}
