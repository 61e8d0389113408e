//! Approximate Fekete points: the greedy points of large volume among candidates.
//!
//!     of N candidates of the density ‖φ‖²/m the m that a QR decomposition with pivots takes first, of weights m/‖φ‖²
//!
//! What people take who interpolate and want no randomness; it is left in the candidates only. Nothing is known of the error
//! but by the volume, and it is not unbiased. Source: Sommariva and Vianello 2009.

use super::Space;
use super::design::{Design, christoffel, draw_mixed};
use super::strategy::Strategy;
use crate::{Error, Result};
use rankine_linalg::{Going, greedy_rows};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fekete {
    /// Candidates to a function; the page wants 50 at least, for the sums over them to stand for integrals.
    pub candidates: usize,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for Fekete {
    fn default() -> Self {
        Self { candidates: 50, seed: 0 }
    }
}

impl Strategy for Fekete {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        if self.candidates == 0 {
            return Err(Error::Fit { name: "candidates", found: 0, least: 1, most: usize::MAX });
        }
        let (count, mut rng) = (self.candidates.saturating_mul(space.size()), rng.clone());
        let points = (0..count).map(|_| draw_mixed(space, 1.0, &mut rng)).collect();
        let all = Design::new(space, points, christoffel, going)?;
        let greedy = greedy_rows(all.rows.as_ref(), space.size(), going)?;
        let points = greedy.into_iter().map(|row| all.points[row].clone()).collect();
        Design::new(space, points, christoffel, going)
    }
}
