//! What a solver must know of a matrix.

use super::SparseSymmetric;
use std::borrow::Cow;
use std::fmt::Debug;

/// A symmetric positive definite matrix, known by what it does to a vector.
///
/// A row may be empty; its unknown is *frozen* at zero, and the rest must be positive definite.
pub trait Operator: Debug + Send + Sync {
    /// n.
    fn size(&self) -> usize;

    /// product = A·x; x, product: [n].
    fn apply(&self, x: &[f64], product: &mut [f64]);

    /// The diagonal, zero where the row is empty and only there; [n]. `None` where it is not known.
    fn diagonal(&self) -> Option<Vec<f64>> {
        None
    }

    /// The entries. `None` where they are not known.
    fn matrix(&self) -> Option<Cow<'_, SparseSymmetric>> {
        None
    }
}
