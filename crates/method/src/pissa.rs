//! PiSSA: LoRA that starts as the principal part of the weight.
//!
//!     W = U S Vᵀ,   b₀ = U_r·√(S_r/s),   a₀ = √(S_r/s)·V_rᵀ,   base = W − s·b₀·a₀
//!     w = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers. Attaching costs one SVD a weight, exact or randomised; base is computed from the
//! factors that were found, so that nothing is lost whatever the error of the SVD. Signs are fixed: the largest entry
//! of every right vector is positive.
//! Paper: [pissa] §3. Departure: signs are fixed and the randomised SVD oversamples by 10 (the released code does
//! neither), and its draws come from the run's seed and the weight's path, so that a residual can be made again.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{factor_plan, scale},
};
use rankine_linalg::{Svd, Truncation, truncated};
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Principal singular values and singular vectors adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pissa {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How the principal part is found.
    pub svd: Decomposition,
    /// Rounds of the randomised SVD.
    pub iterations: usize,
    /// Columns of the randomised SVD beyond the rank.
    pub oversampling: usize,
}

/// How a principal part is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decomposition {
    /// The whole SVD.
    #[default]
    Exact,
    /// A random range, sharpened by power iterations.
    Randomized,
}

impl Decomposition {
    /// The same for `linalg`; a random range is drawn from `rng`.
    pub(crate) fn truncation(self, power_iterations: usize, oversampling: usize, mut rng: Rng) -> Truncation {
        match self {
            Self::Exact => Truncation::Exact,
            Self::Randomized => Truncation::Randomized { power_iterations, oversampling, seed: rng.bits() },
        }
    }
}

/// The first `rank` singular triples of a site's weight.
pub(crate) fn principal(site: &Site<'_>, rank: usize, how: Truncation) -> Result<Svd> {
    let [outputs, inputs] = site.sizes()?;
    let found = site.weight.tensor().read(|w| truncated(w, outputs, inputs, rank, how));
    found.map_err(|source| Error::Decomposition { path: site.path.to_owned(), source })
}

/// b = U_r·√(S_r/s) and a = √(S_r/s)·V_rᵀ of a site's weight; a: [rank, in], b: [out, rank].
pub(crate) fn factors(site: &Site<'_>, rank: usize, how: Truncation, scale: f32) -> Result<[Tensor; 2]> {
    let [outputs, inputs] = site.sizes()?;
    let principal = principal(site, rank, how)?;
    let roots: Vec<f32> = principal.s.iter().map(|s| (s / scale).sqrt()).collect();
    let rows = principal.vt.chunks_exact(inputs).zip(&roots);
    let a = rows.flat_map(|(row, root)| row.iter().map(move |v| v * root)).collect();
    let b = principal.u.iter().enumerate().map(|(index, u)| u * roots[index % rank]).collect();
    Ok([Tensor::new(a, &[rank, inputs])?, Tensor::new(b, &[outputs, rank])?])
}

impl Default for Pissa {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: None,
            rslora: false,
            dropout: 0.0,
            svd: Decomposition::Exact,
            iterations: Truncation::POWER_ITERATIONS,
            oversampling: Truncation::OVERSAMPLING,
        }
    }
}

impl Method for Pissa {
    fn card(&self) -> Card {
        Card {
            name: "pissa",
            paper: "pissa",
            summary: "LoRA that starts as the principal singular part of the weight; the residual is frozen",
            formula: "W = U·S·Vt; b = U_r·sqrt(S_r/s), a = sqrt(S_r/s)·Vt_r, w = (W - s·b0·a0) + s·b·a; a and b are trained",
            exact: true,
            trains: &["a", "b"],
            export: Export::Doubled,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let scale = scale(self.alpha, rank, self.rslora);
        let how = self.svd.truncation(self.iterations, self.oversampling, rng);
        let [a, b] = factors(site, rank, how, scale)?;
        Ok(Box::new(
            weight::LowRank::taken_out(&site.weight.tensor(), &a, &b, scale)?.with_dropout(self.dropout),
        ))
    }
}
