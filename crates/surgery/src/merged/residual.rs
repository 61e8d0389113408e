//! What an initialisation took out of a weight before training.
//!
//!     pissa    s·B₀·A₀ = U_r·diag(σ_r)·V_rᵀ      the r largest singular triples of W, whatever s
//!     olora    s·B₀·A₀ = s·Q_r·R_r               the first r columns of Q and rows of R of W = Q·R
//!     given    s·B₀·A₀                           of the adapter as it was before the training
//!
//! Neither of the first two is in the adapter's file: peft recomputes them from the base when it loads the adapter, and so do
//! we. Signs of singular vectors are free and do not matter, because only the product counts. Departure: peft decomposes in
//! f32, we in f64. Where σ_r and σ_{r+1} lie close together an f32 SVD mixes their vectors: on SmolLM2-135M, with a gap of
//! 6e-5·σ₁ in one weight, peft's residual is 2e-3 off there, and its logits 1.6e-3. Where they are equal but for rounding nobody
//! can say which were taken out, and that is an error.

use crate::adapters::Product;
use crate::{Error, Result};
use rankine_checkpoint::adapter::LowRank;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;
use rankine_linalg::{Truncation, qr, truncated};
use std::ops::Range;

/// What was taken out of a weight.
#[derive(Clone)]
pub(crate) struct Residual {
    /// `None` where the factors were given.
    how: Option<How>,
    rank: usize,
    scaling: f32,
    /// Left factor, scaled, and right factor; [rows, rank], [rank, columns].
    factors: Option<(Vec<f32>, Vec<f32>)>,
}

/// How the weight was decomposed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum How {
    Svd,
    Qr,
}

/// Gap of singular values over the largest, below which an f32 decomposition takes any directions between them.
const GAP: f32 = 3e-7;

/// Whether the last of the `rank` largest singular values cannot be told from the next.
fn is_ambiguous(s: &[f32], rank: usize) -> bool {
    let limit = GAP * s.first().copied().unwrap_or(0.0);
    let pair = rank.checked_sub(1).and_then(|last| Some((s.get(last)?, s.get(rank)?)));
    pair.is_some_and(|(last, next)| limit < *last && last - next <= limit)
}

/// The first column that those before it leave no direction of, though there are others after it, by R of W = Q·R; [rank, columns].
/// Decompositions take one of these, or any.
fn dependent(r: &[f32], columns: usize) -> Option<usize> {
    const TOLERANCE: f64 = 1e-6;
    let lengths: Vec<f64> = r.chunks(columns.max(1)).map(|row| reduce::sum_of_squares(row).sqrt()).collect();
    let limit = TOLERANCE * lengths.iter().copied().fold(0.0, f64::max);
    let diagonal = |row: usize| r.get(row * columns + row).map_or(0.0, |&entry| f64::from(entry.abs()));
    (0..lengths.len()).find(|&row| limit < lengths[row] && diagonal(row) <= limit)
}

impl Residual {
    pub fn new(how: How, rank: usize, scaling: f32) -> Self {
        Self { how: Some(how), rank, scaling, factors: None }
    }

    /// s·B₀·A₀ of `initial`, or its transpose.
    pub fn given(initial: &LowRank, transposed: bool) -> Self {
        let product = Product::of(initial, 1.0);
        let Product { b, a, rank, .. } = if transposed { product.turned() } else { product };
        Self { how: None, rank, scaling: initial.scaling, factors: Some((b, a)) }
    }

    /// Whether there is nothing to be decomposed.
    pub fn is_known(&self) -> bool {
        self.factors.is_some()
    }

    /// Decomposes the weight `name`, of `height` rows.
    pub fn prepare(&mut self, name: &str, weight: &[f32], height: usize) -> Result<()> {
        let width = weight.len().checked_div(height).unwrap_or(0);
        let failed = |source| Error::Decomposition { name: name.to_owned(), source };
        self.factors = Some(match self.how {
            None => return Ok(()),
            Some(How::Svd) => {
                let more = (self.rank + 1).min(height).min(width);
                let svd = truncated(weight, height, width, more, Truncation::Exact).map_err(failed)?;
                if is_ambiguous(&svd.s, self.rank) {
                    let reason = format!("singular values {} and {} are equal", self.rank, self.rank + 1);
                    return Err(Error::Ambiguous { name: name.to_owned(), reason });
                }
                let rows = svd.u.chunks_exact(svd.rank);
                let left = rows.flat_map(|row| row.iter().zip(&svd.s).take(self.rank).map(|(u, s)| u * s));
                (left.collect(), svd.vt[..self.rank.min(svd.rank) * width].to_vec())
            }
            Some(How::Qr) => {
                let mut qr = qr(weight, height, width, self.rank).map_err(failed)?;
                if let Some(column) = dependent(&qr.r, width) {
                    let reason = format!("column {column} depends on those before it");
                    return Err(Error::Ambiguous { name: name.to_owned(), reason });
                }
                qr.q.iter_mut().for_each(|q| *q *= self.scaling);
                (qr.q, qr.r)
            }
        });
        Ok(())
    }

    /// Left factor, scaled; right factor; their inner size. [rows, rank], [rank, columns]. `None` before
    /// [`prepare`](Self::prepare).
    pub fn factors(&self) -> Option<(&[f32], &[f32], usize)> {
        self.factors.as_ref().map(|(left, right)| (left.as_slice(), right.as_slice(), self.rank))
    }

    /// out −= s·B₀·A₀, for some rows of the weight.
    pub fn subtract(&self, rows: &Range<usize>, out: &mut [f32]) {
        let Some((left, right)) = &self.factors else { return };
        let left = Matrix::new(&left[rows.start * self.rank..rows.end * self.rank], rows.len(), self.rank);
        matmul(out, left, Matrix::new(right, self.rank, right.len() / self.rank), -1.0, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_columns_are_found_but_not_at_the_end() {
        let of = |columns: [[f32; 3]; 4]| {
            let weight: Vec<f32> = (0..3).flat_map(|row| columns.map(|column| column[row])).collect();
            dependent(&qr(&weight, 3, 4, 3).unwrap().r, 4)
        };
        let (a, b, c) = ([1.0, 2.0, 0.5], [0.0, 1.0, -1.0], [2.0, 0.0, 1.0]);
        assert_eq!(of([a, b, c, a]), None);
        assert_eq!(of([[0.0; 3], a, b, c]), Some(0));
        assert_eq!(of([a, a, b, c]), Some(1));
        // Nothing is left for a third direction.
        assert_eq!(of([a, b, a, b]), None);
        assert_eq!(of([[0.0; 3]; 4]), None);
    }

    #[test]
    fn equal_singular_values_cannot_be_told_apart() {
        assert!(is_ambiguous(&[2.0, 1.0, 1.0], 2) && is_ambiguous(&[1.0; 4], 3));
        // The last there is, what is nothing anyway, and what is told apart.
        assert!(
            !is_ambiguous(&[1.0; 3], 3) && !is_ambiguous(&[1.0, 0.0, 0.0], 2) && !is_ambiguous(&[0.0; 2], 1)
        );
        assert!(!is_ambiguous(&[2.0, 1.0, 1.0 - 1e-5], 2));
    }
}
