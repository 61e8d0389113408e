//! The leading singular triples of a matrix that is known by its products only, by subspace iteration.

use crate::Result;
use faer::{Mat, MatRef};
use rankine_linalg::Going;
use rankine_linalg::double::{Triples, multiply, orthonormal_basis, thin_svd};
use rankine_random::Rng;

/// Directions beside those that are asked for: they make the others settle sooner.
const BESIDE: usize = 8;

/// Products with a thin matrix: Z·X and Zᵀ·X.
pub(super) struct Products<'a> {
    pub rows: usize,
    pub columns: usize,
    pub times: &'a dyn Fn(MatRef<'_, f64>) -> Mat<f64>,
    pub transposed: &'a dyn Fn(MatRef<'_, f64>) -> Mat<f64>,
}

impl Products<'_> {
    /// The `count` leading triples after so many rounds, or fewer where `going` stops it; at most as many as the smaller side has.
    pub fn leading(&self, count: usize, rounds: usize, rng: Rng, going: &Going<'_>) -> Result<Triples> {
        let width = (count + BESIDE).min(self.rows).min(self.columns);
        let mut right = super::orthonormal(self.columns, width, rng);
        for _ in 0..rounds {
            if !going() {
                break;
            }
            let left = orthonormal_basis((self.times)(right.as_ref()));
            right = orthonormal_basis((self.transposed)(left.as_ref()));
        }
        let Triples { u, s, v } = thin_svd((self.times)(right.as_ref()).as_ref())?;
        let v = multiply(right.as_ref(), v.as_ref());
        Ok(first(Triples { u, s, v }, count))
    }
}

/// The first triples.
pub(super) fn first(Triples { u, mut s, v }: Triples, count: usize) -> Triples {
    s.truncate(count);
    let kept = |vectors: &Mat<f64>| vectors.get(.., ..s.len()).to_owned();
    let (u, v) = (kept(&u), kept(&v));
    Triples { u, s, v }
}
