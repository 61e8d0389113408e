//! Conjugate gradients, deflated by Ritz vectors; the direction that inverts the slow modes.
//!
//!     M⁻¹·r = Pᵀ·P·r/θ_max + V·diag(1/θ)·Vᵀ·r       P = 1 − A·V·diag(1/θ)·Vᵀ
//!
//! V, θ: the lowest Ritz pairs of `steps` Lanczos steps, θ_max: the largest Ritz value. Positive definite, and conditioned no
//! worse than A (as far as θ_max has converged), whatever the vectors; where they have converged, their modes are solved at
//! once. Of equal eigenvalues, which symmetric grids have, Lanczos finds one. 2·n·vectors numbers are held; M⁻¹ costs
//! 8·n·vectors. This is the deflated baseline of [dcdm], and stands for a network trained on Ritz vectors while there is none.

use super::lanczos::{Ritz, lanczos};
use super::{Direction, LinearSystem, Precondition};
use crate::vectors::multiply;
use crate::{Error, Pulse, Result};
use faer::{Accum, ColMut, ColRef, Mat};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spectral {
    /// Ritz vectors that are kept, fewer where there are not so many; from 1.
    pub vectors: usize,
    /// Lanczos steps that they are taken from, at most the unknowns; at least `vectors`.
    pub steps: usize,
    /// Seed of the vector that Lanczos starts from.
    pub seed: u64,
}

impl Default for Spectral {
    /// [dcdm]: 16 vectors. The steps are ours: the paper's 10,000 cost more than the solution.
    fn default() -> Self {
        Self { vectors: 16, steps: 100, seed: 0 }
    }
}

impl Precondition for Spectral {
    fn prepare(&self, problem: &LinearSystem, pulse: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        if self.vectors == 0 {
            return Err(Error::Setting { name: "vectors", found: 0.0, range: "at least 1" });
        }
        if self.steps < self.vectors {
            let found = self.steps as f64;
            return Err(Error::Setting { name: "steps", found, range: "at least `vectors`" });
        }
        let ritz = lanczos(problem, self.steps, self.seed, pulse)?;
        Ok(Box::new(Deflation::new(problem, &ritz, self.vectors)))
    }
}

/// M⁻¹.
struct Deflation {
    /// V; [n, k].
    vectors: Mat<f64>,
    /// A·V; [n, k].
    products: Mat<f64>,
    /// 1/θ; [k].
    inverse: Vec<f64>,
    /// 1/θ_max.
    rest: f64,
}

impl Deflation {
    fn new(problem: &LinearSystem, ritz: &Ritz, vectors: usize) -> Self {
        let count = vectors.min(ritz.values.len());
        let vectors = ritz.vectors.as_ref().subcols(0, count).to_owned();
        let mut products = Mat::zeros(vectors.nrows(), count);
        let (mut vector, mut product) = (vec![0.0; vectors.nrows()], vec![0.0; vectors.nrows()]);
        for index in 0..count {
            ColMut::from_slice_mut(&mut vector).copy_from(vectors.col(index));
            problem.operator().apply(&vector, &mut product);
            products.col_mut(index).copy_from(ColRef::from_slice(&product));
        }
        let inverse = ritz.values.iter().take(count).map(|value| value.recip()).collect();
        let rest = ritz.values.last().map_or(1.0, |largest| largest.recip());
        Self { vectors, products, inverse, rest }
    }

    /// Multiplies by 1/θ.
    fn scale(&self, along: &mut [f64]) {
        along.iter_mut().zip(&self.inverse).for_each(|(along, inverse)| *along *= inverse);
    }
}

impl Direction for Deflation {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        let mut slow = vec![0.0; self.inverse.len()];
        multiply(&mut slow, self.vectors.transpose(), residual, 1.0, Accum::Replace);
        self.scale(&mut slow);
        direction.copy_from_slice(residual);
        multiply(direction, self.products.as_ref(), &slow, -1.0, Accum::Add);
        direction.iter_mut().for_each(|value| *value *= self.rest);
        let mut back = vec![0.0; slow.len()];
        multiply(&mut back, self.products.transpose(), direction, 1.0, Accum::Replace);
        self.scale(&mut back);
        slow.iter_mut().zip(back).for_each(|(slow, back)| *slow -= back);
        multiply(direction, self.vectors.as_ref(), &slow, 1.0, Accum::Add);
    }
}
