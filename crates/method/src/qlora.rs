//! QLoRA: LoRA beside a weight in four bits.
//!
//!     w = NF4(W) + s · b·a        W: [out, in]  a: [r, in]  b: [out, r] = 0        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers; the base takes 0.52 bytes a weight, 0.56 without double quantisation. w starts as
//! NF4(W); a run rounds each weight as soon as it is read. What was learnt belongs to that base: a run keeps it with
//! `keep_residual = true`. Read beside the original weight, as it often is, it is another model, though not by much.
//! Paper: [qlora] §3; a starts as in [lora]. Departures: products are in f32, there is no paged optimizer, and blocks of NF4
//! stay in their row, which matters where 64 does not divide its length.

use crate::{
    Card, Export, Method, Result, Site,
    lora::{Init, random_plan, scale},
    quantized::nf4,
};
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Encoding, Frozen, Tensor};
use serde::{Deserialize, Serialize};

/// Low-rank adaptation of a quantised weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qlora {
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
    /// Scales of NF4 in eight bits.
    pub double_quantization: bool,
}

impl Default for Qlora {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: None,
            rslora: false,
            dropout: 0.0,
            init: Init::Kaiming,
            double_quantization: true,
        }
    }
}

impl Method for Qlora {
    fn card(&self) -> Card {
        Card {
            name: "qlora",
            paper: "qlora",
            summary: "LoRA beside the weight in 4-bit NF4",
            formula: "w = NF4(W) + s·b·a, s = alpha/rank (rslora: alpha/sqrt(rank)); a and b are trained",
            exact: false,
            trains: &["a", "b"],
            export: Export::Quantized,
        }
    }

    fn base(&self) -> Option<Encoding> {
        Some(if self.double_quantization { Encoding::Nf4Double } else { Encoding::Nf4 })
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        random_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let (a, b) = (self.init.start(rank, inputs, rng)?, Tensor::zeros(&[outputs, rank]));
        let base = match site.weight {
            Frozen::Stored(stored) if Some(stored.encoding()) == self.base() => site.weight.clone(),
            weight => nf4(site.path, &weight.tensor(), self.double_quantization)?,
        };
        let scale = scale(self.alpha, rank, self.rslora);
        Ok(Box::new(weight::LowRank::rounded(base, &a, &b, scale).with_dropout(self.dropout)))
    }
}
