//! Leverage scores: how much each row of a matrix weighs in its column space.
//!
//!     ℓ_i = ‖row i of Q‖²        A = Q·R; Σ ℓ = rank(A), 0 ≤ ℓ ≤ 1
//!
//! By R = U·diag(s)·Vᵀ and the rows of A·V·diag(1/s), for the s above rounding: 4·n·d² in all, on all threads, known to the
//! rounding of f64 times the condition of A.

use crate::going::ask;
use crate::{Error, Going, Result, dense, tall};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Rows that are worked on by themselves.
const BLOCK: usize = 1024;

/// The leverage scores of the rows of a; [a.nrows]. All are zero where a is.
///
/// # Errors
/// When the SVD of the triangle does not converge, or `going` stops it.
pub fn leverage_scores(a: MatRef<'_, f64>, going: &Going<'_>) -> Result<Vec<f64>> {
    if a.nrows() == 0 || a.ncols() == 0 {
        return Ok(vec![0.0; a.nrows()]);
    }
    let dense::Factors { s, v, .. } = dense::thin_svd(tall::tall_triangle(&[a], going)?.as_ref())?;
    let floor = s[0] * f64::EPSILON * a.nrows().max(a.ncols()) as f64;
    let rank = s.iter().filter(|&&s| floor < s).count();
    let whitened = Mat::from_fn(a.ncols(), rank, |row, column| v[(row, column)] / s[column]);
    let mut scores = vec![0.0; a.nrows()];
    scores.par_chunks_mut(BLOCK).enumerate().try_for_each(|(chunk, scores)| {
        ask(going)?;
        let rows = a.subrows(chunk * BLOCK, scores.len());
        for column in dense::multiply(rows, whitened.as_ref()).col_iter() {
            scores.iter_mut().zip(column.iter()).for_each(|(score, x)| *score += x * x);
        }
        Ok::<_, Error>(())
    })?;
    Ok(scores)
}
