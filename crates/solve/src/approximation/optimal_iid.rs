//! Independent points of the optimal density, ν = θ·‖φ‖²/m·μ + (1 − θ)·μ, with the weights dμ/dν.
//!
//! n ≥ m·log(2m/η)/(δ + (1 − δ)·log(1 − δ)) of them have λ_min(G) ≥ 1 − δ with the chance 1 − η. With θ < 1 no weight is
//! above 1/(1 − θ), which the almost-sure bounds of [volume_sampling] want. Source: Cohen and Migliorati 2017.

use super::Space;
use super::design::{Design, draw_mixed, mixed};
use super::strategy::{Strategy, points, share};
use crate::Result;
use rankine_linalg::Going;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimalIid {
    /// Points to a function.
    pub oversampling: f64,
    /// θ, the share of the optimal density; ½ where bounds must hold almost surely.
    pub theta: f64,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for OptimalIid {
    fn default() -> Self {
        Self { oversampling: 4.0, theta: 1.0, seed: 0 }
    }
}

impl Strategy for OptimalIid {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        share(self.theta)?;
        let (count, mut rng) = (points(space, self.oversampling)?, rng.clone());
        let points = (0..count).map(|_| draw_mixed(space, self.theta, &mut rng)).collect();
        Design::new(space, points, |features| mixed(features, self.theta), going)
    }
}
