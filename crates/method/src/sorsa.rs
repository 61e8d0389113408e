//! SORSA: the principal part of a weight with its three factors trained, held near orthonormal.
//!
//!     W = U·S·Vᵀ,   a₀ = V_rᵀ, core₀ = diag(s_r), b₀ = U_r,   base = W − c · b₀·core₀·a₀
//!     w = base + c · b·core·a        a: [r, in]  core: [r]  b: [out, r]        c = α/r, 1 without α
//!     L = loss + γ · mean over all a and b of ‖a·aᵀ − 1‖, ‖bᵀ·b − 1‖
//!
//! Trains r·(out + in + 1) numbers. The values are not divided by c; the base is computed with the same c, so that nothing is
//! lost. Paper: [sorsa] §3. The slope of the penalty enters the gradient once a step, after clipping, as in the released
//! code; `gamma` is the paper's γ over the highest learning rate, which is what that code multiplies by. Departures: the
//! penalty is smooth below a defect of 1e-4, where the released code follows rounding noise, and signs are fixed.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{factor_numbers, factor_plan},
    pissa::{Decomposition, principal},
};
use rankine_linalg::Truncation;
use rankine_nn::{Leaf, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Singular values and orthonormal regularised singular vectors adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sorsa {
    /// r.
    pub rank: usize,
    /// α of c = α/r; c = 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Weight of the orthonormality of a and b: the paper's γ over the highest learning rate.
    pub gamma: f32,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How the principal part is found.
    pub svd: Decomposition,
    /// Rounds of the randomised SVD.
    pub iterations: usize,
    /// Columns of the randomised SVD beyond the rank.
    pub oversampling: usize,
}

impl Default for Sorsa {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: None,
            gamma: 0.1,
            dropout: 0.0,
            svd: Decomposition::Exact,
            iterations: Truncation::POWER_ITERATIONS,
            oversampling: Truncation::OVERSAMPLING,
        }
    }
}

impl Method for Sorsa {
    fn card(&self) -> Card {
        Card {
            name: "sorsa",
            paper: "sorsa",
            summary: "singular values and vectors of the principal part are trained, the vectors held near orthonormal",
            formula: "W = U·S·Vt; b = U_r, s = S_r, a = Vt_r, w = (W - c·b0·diag(s0)·a0) + c·b·diag(s)·a, \
                      c = alpha/rank or 1; plus gamma·mean(|a·at - 1|, |bt·b - 1|) in the loss",
            exact: true,
            trains: &["a", "b", "core"],
            export: Export::Doubled,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        if !(self.gamma >= 0.0 && self.gamma.is_finite()) {
            let found = self.gamma.to_string();
            return Err(Error::Setting { name: "gamma", expected: "0 or more", found });
        }
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        Ok(factor_numbers(site, rank)? + rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let found = principal(site, rank, self.svd.truncation(self.iterations, self.oversampling, rng))?;
        let [a, core, b] =
            [(found.vt, vec![rank, inputs]), (found.s, vec![rank]), (found.u, vec![outputs, rank])]
                .map(|(values, shape)| Var::new(values, &shape).map(Leaf::Trained));
        let scale = self.alpha.map_or(1.0, |alpha| alpha / rank as f32);
        let original: Tensor = site.weight.tensor();
        let weight = weight::LowRank::core_taken_out(&original, a?, b?, core?, scale)?;
        // Half for each of the two vectors' matrices; the loop takes the mean over the weights.
        Ok(Box::new(weight.with_dropout(self.dropout).with_orthonormality(self.gamma / 2.0)))
    }
}
