//! One draw of the projection determinantal process: m points, through which the approximation goes.
//!
//!     density det(φ_j(x_i))²/m!        weights m/‖φ‖²
//!
//! E‖f − f̂‖² = (1 + m)·min ‖f − v‖², exactly, and E f̂ is the best. Paper: [volume_sampling].

use super::Space;
use super::design::{Design, christoffel, draw_mixed};
use super::strategy::Strategy;
use crate::Result;
use rankine_linalg::{Going, dpp_by_rejection};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectionDpp {
    /// Of the random numbers.
    pub seed: u64,
}

impl Strategy for ProjectionDpp {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        Design::new(space, process(space, &mut rng.clone(), going)?, christoffel, going)
    }
}

/// m points of the process of a space.
///
/// # Errors
/// When its functions are not orthonormal, or not finite; when `going` stops it.
pub(super) fn process(space: &dyn Space, rng: &mut Rng, going: &Going<'_>) -> Result<Vec<Vec<f64>>> {
    Ok(dpp_by_rejection(space.size(), rng, going, |rng| {
        let point = draw_mixed(space, 1.0, rng);
        let features = space.features(&point);
        (point, features)
    })?)
}
