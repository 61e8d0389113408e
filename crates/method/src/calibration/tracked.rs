//! Directions of largest variance, and whether they have come to rest.
//!
//!     cos_j = ⟨v_j, v_j′⟩ for single vectors, the smallest singular value of V·V′ᵀ for what they span
//!
//! V: [r, in] now, V′ before the last batch. Signs are fixed, so a cosine has its sign.
//! Paper: [eva].

use super::{Components, Converge, Principal};
use rankine_linalg::{IncrementalPca, Result, singular_values};
use rankine_random::Rng;

pub(super) struct Tracked {
    wanted: Principal,
    columns: usize,
    pca: IncrementalPca,
    /// The components before the last batch; [k, columns].
    before: Vec<f32>,
}

impl Tracked {
    /// Oversampling by as much again as is kept, as peft does.
    pub fn new(wanted: Principal, columns: usize, rng: Rng) -> Self {
        let how = wanted.svd.truncation(wanted.iterations, wanted.components, rng);
        let pca = IncrementalPca::new(wanted.components, columns, how);
        Self { wanted, columns, pca, before: Vec::new() }
    }

    pub fn see(&mut self, x: &[f32], rows: usize) -> Result<()> {
        let before = self.pca.components().to_vec();
        self.pca.partial_fit(x, rows)?;
        self.before = before;
        Ok(())
    }

    /// Whether the first `count` directions stayed where they were in the last batch.
    pub fn settled(&self, count: usize) -> bool {
        let (now, before) = (self.pca.components(), self.before.as_slice());
        let known = now.len().min(before.len()) / self.columns.max(1);
        let cosine = |i: usize, j: usize| -> f32 {
            let (x, y) =
                (&now[i * self.columns..][..self.columns], &before[j * self.columns..][..self.columns]);
            x.iter().zip(y).map(|(x, y)| x * y).sum()
        };
        if count == 0 || known < count {
            return count == 0;
        }
        let tolerance = self.wanted.tolerance;
        match self.wanted.converge {
            Converge::Vectors => (0..count).all(|j| tolerance <= cosine(j, j)),
            Converge::Subspace => {
                let product: Vec<f32> = (0..count * count).map(|at| cosine(at / count, at % count)).collect();
                let cosines = singular_values(&product, count, count).unwrap_or_default();
                cosines.last().is_some_and(|smallest| tolerance <= *smallest)
            }
        }
    }

    /// The share of the variance along every direction.
    pub fn spectrum(&self) -> Vec<f64> {
        self.pca.explained_variance_ratio()
    }

    pub fn components(&self) -> Components {
        Components {
            vectors: self.pca.components().to_vec(),
            singular_values: self.pca.singular_values().to_vec(),
            explained_variance_ratio: self.spectrum(),
        }
    }
}
