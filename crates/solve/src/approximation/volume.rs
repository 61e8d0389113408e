//! Generalised volume sampling: m points of the projection determinantal process, n − m independent ones, in random order.
//!
//!     density det G(x) · ν(x₁)⋯ν(x_n), up to a factor        ν = θ·‖φ‖²/m·μ + (1 − θ)·μ, weights dμ/dν
//!
//! E[G⁻¹] = n/(n − m + 1), and E f̂ is the best approximation where nothing is redrawn. Paper: [volume_sampling], whose
//! identity this is; n = 2·m here, redrawn until it is stable.

use super::Space;
use super::design::{Design, draw_mixed, mixed};
use super::dpp::process;
use super::strategy::{Strategy, points, share};
use crate::Result;
use rankine_linalg::Going;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeSampling {
    /// Points to a function.
    pub oversampling: f64,
    /// θ, the share of the optimal density among the independent points; ½ where bounds must hold almost surely.
    pub theta: f64,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for VolumeSampling {
    fn default() -> Self {
        Self { oversampling: 2.0, theta: 1.0, seed: 0 }
    }
}

impl Strategy for VolumeSampling {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        share(self.theta)?;
        let (count, mut rng) = (points(space, self.oversampling)?, rng.clone());
        let mut points = process(space, &mut rng, going)?;
        points.extend((points.len()..count).map(|_| draw_mixed(space, self.theta, &mut rng)));
        rng.shuffle(&mut points);
        Design::new(space, points, |features| mixed(features, self.theta), going)
    }
}
