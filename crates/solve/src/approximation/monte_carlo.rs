//! Independent points of μ itself, all of weight 1: what one does without a theory.
//!
//! Stable only with n of the order of m² (Legendre) or more (Hermite), as few points fall where the functions are large.

use super::Space;
use super::design::Design;
use super::strategy::{Strategy, points};
use crate::Result;
use rankine_linalg::Going;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonteCarlo {
    /// Points to a function.
    pub oversampling: f64,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for MonteCarlo {
    fn default() -> Self {
        Self { oversampling: 4.0, seed: 0 }
    }
}

impl Strategy for MonteCarlo {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        let (count, mut rng) = (points(space, self.oversampling)?, rng.clone());
        Design::new(space, (0..count).map(|_| space.draw(&mut rng)).collect(), |_| 1.0, going)
    }
}
