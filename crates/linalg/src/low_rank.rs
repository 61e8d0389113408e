//! The spectrum of scale · B · A without forming the product.
//!
//!     B = Q₁ · R₁,  Aᵀ = Q₂ · R₂   ⇒   s(scale · B · A) = |scale| · s(R₁ · R₂ᵀ)
//!
//! because Q₁ and Q₂ have orthonormal columns. Costs O((rows + columns) · rank²) instead of an SVD of
//! [rows, columns].

use crate::{Error, Result, always, dense, panels};

/// A product scale · B · A with a small inner size: the update that an adapter makes to a weight.
#[derive(Clone, Copy, Debug)]
pub struct LowRank<'a> {
    /// Left factor, row-major; [rows, rank].
    pub b: &'a [f32],
    /// Right factor, row-major; [rank, columns].
    pub a: &'a [f32],
    /// Rows of the product.
    pub rows: usize,
    /// Columns of the product.
    pub columns: usize,
    /// The inner size.
    pub rank: usize,
    /// What the product is multiplied by.
    pub scale: f64,
}

impl LowRank<'_> {
    /// The singular values that can differ from zero, descending; [min(rank, rows, columns)].
    ///
    /// # Errors
    /// When a slice does not fit its shape, is empty or has an entry that is not finite; when the scale is not
    /// finite.
    pub fn singular_values(&self) -> Result<Vec<f32>> {
        let &Self { b, a, rows, columns, rank, scale } = self;
        dense::check(b, rows, rank)?;
        dense::check(a, rank, columns)?;
        if !scale.is_finite() {
            return Err(Error::Scale { found: scale });
        }
        let left = panels::triangle(dense::widen(b, rows, rank), &always)?;
        let right = panels::triangle(dense::widen(a, rank, columns).transpose().to_owned(), &always)?;
        dense::narrow(
            &dense::values(dense::multiply(left.as_ref(), right.transpose()).as_ref())?,
            scale.abs(),
        )
    }
}
