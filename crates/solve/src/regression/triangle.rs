//! The triangle of a QR decomposition, once it is known to be regular.

use crate::{Error, Result};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{ColMut, Mat, MatMut, MatRef, Par};

/// R of A = Q·R; [d, d], upper triangular.
#[derive(Clone, Debug)]
pub struct Triangle {
    r: Mat<f64>,
}

impl Triangle {
    /// The triangle of the first `size` columns of `whole`, which came from a matrix of `rows` rows called `what`.
    ///
    /// # Errors
    /// When a column is within rounding of those before it.
    pub fn new(what: &'static str, whole: MatRef<'_, f64>, size: usize, rows: usize) -> Result<Self> {
        let rounding = f64::EPSILON * rows.max(size) as f64;
        for column in 0..size {
            if whole.nrows() <= column {
                return Err(Error::Dependent { what, column, share: 0.0 });
            }
            let entries = whole.col(column);
            let before = entries.get(..column + 1).norm_l2();
            let left = entries[column].abs();
            if left.is_nan() || left <= rounding * before {
                let share = if before == 0.0 { 0.0 } else { left / before };
                return Err(Error::Dependent { what, column, share });
            }
        }
        Ok(Self { r: whole.get(..size, ..size).to_owned() })
    }

    /// x ← R⁻¹·x.
    pub fn solve(&self, x: &mut [f64]) {
        self.solve_columns(ColMut::from_slice_mut(x).as_mat_mut());
    }

    /// R⁻¹ of the upper part of the last column of [R c; 0 ρ]: the least squares of it.
    pub fn last_column(&self, whole: MatRef<'_, f64>) -> Vec<f64> {
        let mut x: Vec<f64> = whole.col(whole.ncols() - 1).iter().take(self.r.ncols()).copied().collect();
        self.solve(&mut x);
        x
    }

    /// X ← R⁻¹·X.
    pub fn solve_columns(&self, x: MatMut<'_, f64>) {
        solve_upper_triangular_in_place(self.r.as_ref(), x, Par::Seq);
    }

    /// x ← R⁻ᵀ·x.
    pub fn solve_transposed(&self, x: &mut [f64]) {
        solve_lower_triangular_in_place(self.r.transpose(), ColMut::from_slice_mut(x).as_mat_mut(), Par::Seq);
    }

    /// A lower bound of the condition: the largest entry of the diagonal over the smallest.
    pub fn condition(&self) -> f64 {
        let diagonal = || self.r.diagonal().column_vector().iter().map(|entry| entry.abs());
        diagonal().fold(0.0, f64::max) / diagonal().fold(f64::INFINITY, f64::min)
    }
}
