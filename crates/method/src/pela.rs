//! PELA: a weight made smaller before it is trained. Two thin matrices take its place, and nothing of it stays beside them.
//!
//!     W ≈ U_r·S_r·V_rᵀ,   b₀ = U_r·√S_r,   a₀ = √S_r·V_rᵀ        r = ⌊out·in/(c·(out + in))⌋
//!     w = b·a        a: [r, in]  b: [out, r]
//!     L = loss + λ · mean over the weights of (max|b·a − W| − ε)²
//!
//! Trains a and b: r·(out + in) numbers, at most out·in/c, and as many multiply-adds. Attaching costs one SVD and is not
//! exact: a model that lost more than it may is brought back by training on its features (`rankine_train::Distill`), its
//! other parameters trained beside, and fine-tuned afterwards as any model is. A weight that is of rank r already is
//! taken over exactly, so that the stages may be runs of their own with dense weights between them.
//!
//! Paper: [pela]; c = 2 without λ is what the released code has for DeiT, c = 3, λ = 1, ε = 1e-3 for ALBEF. The released
//! lists of names that are left out are the recipe's targets; outputs below 10 are left out here as there. What was learnt
//! is no low-rank update of the original: it is exported as whole modules b·a, and a run writes the thin model beside them.
//! Departures: the slope of the penalty enters the gradient once a step, after clipping, and not every few steps; a fused
//! q, k, v is one weight; r may be rounded down to a multiple, and the penalty be the mean square of b·a − W.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{factor_numbers, uniform_plan},
    pissa::factors,
};
use rankine_linalg::Truncation;
use rankine_nn::{
    Kind, Weight,
    weight::{Distance, Factored},
};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// Parameter-efficient models by low-rank approximation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pela {
    /// c: how many times fewer numbers; above 1.
    pub ratio: f32,
    /// r, instead of that of `ratio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// The rank of `ratio` is rounded down to a multiple of this, where it is not below it.
    pub multiple: usize,
    /// Weights of fewer outputs are left alone, where no rank is given.
    pub min_outputs: usize,
    /// λ: how firmly the product is held near the original weight while it is trained; 0 not at all.
    pub perturbation: f32,
    /// ε: how far the product may be from it.
    pub epsilon: f32,
    /// What is held small.
    pub norm: Norm,
}

/// Of the difference between product and original weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// (max|b·a − W| − ε)².
    #[default]
    Max,
    /// ‖b·a − W‖²/(out·in), whatever ε.
    Frobenius,
}

impl Default for Pela {
    fn default() -> Self {
        Self {
            ratio: 2.0,
            rank: None,
            multiple: 1,
            min_outputs: 10,
            perturbation: 0.0,
            epsilon: 1e-3,
            norm: Norm::Max,
        }
    }
}

impl Method for Pela {
    fn card(&self) -> Card {
        Card {
            name: "pela",
            paper: "pela",
            summary: "the weight is replaced by two thin matrices, which are trained: the model itself becomes smaller",
            formula: "W = U·S·Vt; w = b·a, b0 = U_r·sqrt(S_r), a0 = sqrt(S_r)·Vt_r, r = out·in/(ratio·(out + in)); \
                      plus perturbation·mean((max|b·a - W| - epsilon)^2) in the loss",
            exact: false,
            trains: &["a", "b"],
            export: Export::Thin,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        self.check()?;
        match self.rank {
            Some(rank) => uniform_plan(rank, sites),
            None => sites.iter().map(|site| self.ratio_rank(site)).collect(),
        }
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        factor_numbers(site, rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, _: Rng) -> Result<Box<dyn Weight>> {
        let [a, b] = factors(site, rank, Truncation::Exact, 1.0)?;
        let weight = Factored::new(&a, &b).folded(&site.weight.shape());
        if self.perturbation == 0.0 {
            return Ok(Box::new(weight));
        }
        let distance = match self.norm {
            Norm::Max => Distance::Largest { tolerance: self.epsilon },
            Norm::Frobenius => Distance::MeanSquare,
        };
        Ok(Box::new(weight.held_near(site.matrix()?, self.perturbation, distance)))
    }
}

impl Pela {
    fn check(&self) -> Result<()> {
        let setting = |name, expected, found| Err(Error::Setting { name, expected, found });
        if !(self.ratio > 1.0 && self.ratio.is_finite()) {
            return setting("ratio", "above 1", self.ratio.to_string());
        }
        if self.multiple == 0 {
            return setting("multiple", "1 or more", self.multiple.to_string());
        }
        for (name, value) in [("perturbation", self.perturbation), ("epsilon", self.epsilon)] {
            if !(value >= 0.0 && value.is_finite()) {
                return setting(name, "0 or more", value.to_string());
            }
        }
        Ok(())
    }

    /// ⌊out·in/(c·(out + in))⌋, rounded; 0 where the weight is left alone.
    fn ratio_rank(&self, site: &Site<'_>) -> Result<usize> {
        let [outputs, inputs] = site.sizes()?;
        if outputs < self.min_outputs {
            return Ok(0);
        }
        let whole = (outputs * inputs) as f64 / (outputs + inputs) as f64;
        let rank = (whole / f64::from(self.ratio)).floor() as usize;
        Ok(if rank < self.multiple { rank } else { rank - rank % self.multiple })
    }
}
