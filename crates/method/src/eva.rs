//! EVA: LoRA that starts in the directions in which the inputs of a weight vary most.
//!
//!     w = W + s · b·a        W: [out, in]  a: [r_l, in] = V  b: [out, r_l] = 0        s = α/r
//!     V: the first r_l principal components of the weight's inputs on the data to be learnt; [r_l, in]
//!     r_l: how many of the Σ_l r largest shares of variance ξ_{l,j} are those of weight l, of K = round(r·ρ) at each
//!
//! Trains a and b: r_l·(out + in) numbers. The components are found batch by batch until those that are taken have a
//! cosine of at least τ with those of the batch before, in `max_batches` at most. A weight of rank 0 is left alone.
//! With `adjust_scaling_factors` α_l = α·r_l/r, so that s is the same everywhere. A convolution is taken over as the matrix
//! [out, in·height·width]; its inputs are what lies under its kernel, at every place.
//! Paper: [eva] §3; defaults are those of peft. Departures: the data are gone through once, where peft begins again until
//! all have converged; directions without variance are never taken; a weight takes no more than its smaller side; peft takes
//! over no convolutions.

use crate::{
    Card, Error, Export, Method, Result, Site,
    calibration::{Components, Converge, Needs, Principal, Statistics, allocate},
    lora::factor_plan,
    pissa::Decomposition,
};
use rankine_nn::{Kind, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Explained variance adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Eva {
    /// r, on average over the weights.
    pub rank: usize,
    /// α; r when absent, so that s = 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// ρ: how many times r a weight may take at most; 1 for the same rank everywhere.
    pub rho: f32,
    /// τ: the cosine from which on directions have converged.
    pub tau: f32,
    /// What must have it.
    pub converge: Converge,
    /// Batches that are looked at, at most.
    pub max_batches: usize,
    /// Only tokens that are learnt count, not those of prompts.
    pub use_label_mask: bool,
    /// Rows of a divided by the roots of their singular values.
    pub whiten: bool,
    /// s = α/r at every weight, instead of α/r_l.
    pub adjust_scaling_factors: bool,
    /// How the components of a batch are found.
    pub svd: Decomposition,
    /// Rounds of the randomised SVD.
    pub iterations: usize,
}

impl Default for Eva {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: None,
            dropout: 0.0,
            rho: 2.0,
            tau: 0.99,
            converge: Converge::Vectors,
            // Ours: directions of 16 batches are known to some per cent, and it is seconds to minutes.
            max_batches: 16,
            use_label_mask: true,
            whiten: false,
            adjust_scaling_factors: true,
            svd: Decomposition::Randomized,
            iterations: 4,
        }
    }
}

impl Eva {
    /// K.
    fn components(&self) -> usize {
        (self.rank as f32 * self.rho).round() as usize
    }

    /// s of a weight of rank `rank`.
    fn scale(&self, rank: usize) -> f32 {
        let divisor = if self.adjust_scaling_factors { self.rank } else { rank };
        self.alpha.unwrap_or(self.rank as f32) / divisor as f32
    }

    fn check(&self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        if !(1.0 <= self.rho && self.rho.is_finite()) {
            return setting("rho", "1 or more", self.rho.to_string());
        }
        if !(0.0 < self.tau && self.tau <= 1.0) {
            return setting("tau", "above 0 and at most 1", self.tau.to_string());
        }
        if self.max_batches == 0 {
            return setting("max_batches", "1 or more", self.max_batches.to_string());
        }
        Ok(())
    }

    /// The principal components of a site's inputs, where enough rows were seen.
    fn seen<'a>(&self, site: &Site<'a>) -> Result<&'a Components> {
        let path = || site.path.to_owned();
        let Some(Statistics { rows, principal: Some(found), .. }) = site.statistics else {
            return Err(Error::NotSeen { path: path() });
        };
        let components = self.components().min(site.sizes()?[1]);
        if *rows <= components {
            return Err(Error::TooFewRows { path: path(), rows: *rows, components });
        }
        Ok(found)
    }
}

impl Method for Eva {
    fn card(&self) -> Card {
        Card {
            name: "eva",
            paper: "eva",
            summary: "LoRA that starts in the principal directions of the weight's inputs; ranks go where these explain most",
            formula: "w = W + s·b·a, a = the first r_l principal components of the inputs, b = 0; a and b are trained",
            exact: true,
            trains: &["a", "b"],
            export: Export::Lora,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn needs(&self) -> Needs {
        let principal = Principal {
            components: self.components(),
            rank: self.rank,
            capped: false,
            tolerance: self.tau,
            converge: self.converge,
            svd: self.svd,
            iterations: self.iterations,
        };
        Needs {
            principal: Some(principal),
            batches: self.max_batches,
            answers_only: self.use_label_mask,
            ..Needs::default()
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        self.check()?;
        factor_plan(self.rank, self.alpha, self.dropout, sites)?;
        let mut spectra = Vec::with_capacity(sites.len());
        for site in sites {
            let shares = &self.seen(site)?.explained_variance_ratio;
            spectra.push(&shares[..shares.len().min(site.limit()?)]);
        }
        Ok(allocate(&spectra, self.rank * sites.len()))
    }

    fn attach(&self, site: &Site<'_>, rank: usize, _rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let found = self.seen(site)?;
        let mut a: Vec<f32> = found.vectors.iter().take(rank * inputs).copied().collect();
        if self.whiten {
            for (row, s) in a.chunks_exact_mut(inputs).zip(&found.singular_values) {
                row.iter_mut().for_each(|v| *v /= s.sqrt());
            }
        }
        let (a, b) = (Tensor::new(a, &[rank, inputs])?, Tensor::zeros(&[outputs, rank]));
        let weight = weight::LowRank::new(site.matrix()?, &a, &b, self.scale(rank));
        Ok(Box::new(weight.with_dropout(self.dropout).folded(&site.weight.shape())))
    }
}
