//! DoRA: LoRA on the directions of a weight's rows, with their lengths trained beside it.
//!
//!     w = m ∘ V/‖V‖,   V = W + s · b·a        W: [out, in]  a: [r, in]  b: [out, r] = 0  m: [out] = ‖W‖ of every row
//!
//! s = α/r, or α/√r with `rslora`. Trains a, b and m: r·(out + in) + out numbers. ‖V‖ is a constant of the backward pass,
//! as in §4.3 and in peft: the slopes of a and b are not those of w's own formula.
//! Paper: [dora] §4; a starts as in [lora]. Departure: dropout acts on the branch alone; in peft the frozen part sees the
//! dropped input too, with the factor m/‖V‖ − 1.

use crate::{
    Card, Export, Method, Result, Site,
    lora::{Init, factor_numbers, factor_plan, scale},
};
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Weight-decomposed low-rank adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dora {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How a starts.
    pub init: Init,
}

impl Default for Dora {
    fn default() -> Self {
        Self { rank: 16, alpha: None, rslora: false, dropout: 0.0, init: Init::Kaiming }
    }
}

impl Method for Dora {
    fn card(&self) -> Card {
        Card {
            name: "dora",
            paper: "dora",
            summary: "LoRA on the directions of the weight's rows, with their lengths trained beside it",
            formula: "w = m·V/|V| row by row, V = W + s·b·a, s = alpha/rank (rslora: alpha/sqrt(rank)); \
                      a, b and m are trained",
            exact: true,
            trains: &["a", "b", "magnitude"],
            export: Export::Dora,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        let [outputs, _] = site.sizes()?;
        Ok(factor_numbers(site, rank)? + outputs)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let (a, b) = (self.init.start(rank, inputs, rng)?, Tensor::zeros(&[outputs, rank]));
        let scale = scale(self.alpha, rank, self.rslora);
        let weight = weight::Magnitude::new(site.weight.clone(), &a, &b, scale)?;
        Ok(Box::new(weight.with_dropout(self.dropout)))
    }
}
