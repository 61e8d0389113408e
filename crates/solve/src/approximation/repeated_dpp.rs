//! Independent draws of the projection determinantal process, one behind the other: n = r·m points of weights m/‖φ‖².
//!
//! Points of one draw repel each other, so that G is nearer to 1 than with independent points: 5·m of them are mostly stable
//! where independent ones take more than 8·m. Paper: [volume_sampling]; its page's r = 2 with redrawing.

use super::Space;
use super::design::{Design, christoffel};
use super::dpp::process;
use super::strategy::Strategy;
use crate::{Error, Result};
use rankine_linalg::Going;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedDpp {
    /// r.
    pub repetitions: usize,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for RepeatedDpp {
    fn default() -> Self {
        Self { repetitions: 2, seed: 0 }
    }
}

impl Strategy for RepeatedDpp {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        repeated(space, self.repetitions, rng, going)
    }
}

/// The points of `repetitions` draws.
///
/// # Errors
/// When there are none, or the functions of the space are not orthonormal; when `going` stops it.
pub(super) fn repeated(
    space: &dyn Space,
    repetitions: usize,
    rng: &Rng,
    going: &Going<'_>,
) -> Result<Design> {
    if repetitions == 0 {
        return Err(Error::Fit { name: "repetitions", found: 0, least: 1, most: usize::MAX });
    }
    let mut points = Vec::with_capacity(repetitions.saturating_mul(space.size()).min(1 << 20));
    for repetition in 0..repetitions {
        points.extend(process(space, &mut rng.fork_index("repetition", repetition), going)?);
    }
    Design::new(space, points, christoffel, going)
}
