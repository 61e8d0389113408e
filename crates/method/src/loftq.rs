//! LoftQ: LoRA beside a weight in four bits, with a start that makes up for the rounding.
//!
//!     base ← NF4(W), T times:   b·a ← principal part of rank r of (W − base)/s,   base ← NF4(W − s·b·a) but for the last
//!     w = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers; the base takes 0.56 bytes a weight, 0.52 with double quantisation. Attaching costs T
//! SVDs a weight. The baseline of QPiSSA, which takes turns in the other order. A run keeps the base, as QPiSSA's does.
//! Paper: [loftq] algorithm 1; its T = 5 is the default, peft's is 1. Departures: α is shared with b·a, so that w starts as
//! near W for every s; signs are fixed; blocks of NF4 stay in their row.

use crate::{
    Card, Export, Method, Result, Site,
    lora::{factor_numbers, factor_plan, scale},
    pissa::Decomposition,
    quantized::{Alternation, First, check_turns},
};
use rankine_linalg::Truncation;
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// LoRA-fine-tuning-aware quantisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loftq {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// T: how often base and branch are found.
    pub turns: usize,
    /// Scales of NF4 in eight bits.
    pub double_quantization: bool,
    /// How principal parts are found.
    pub svd: Decomposition,
    /// Rounds of the randomised SVD.
    pub iterations: usize,
    /// Columns of the randomised SVD beyond the rank.
    pub oversampling: usize,
}

impl Default for Loftq {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: None,
            rslora: false,
            dropout: 0.0,
            turns: 5,
            double_quantization: false,
            svd: Decomposition::Exact,
            iterations: Truncation::POWER_ITERATIONS,
            oversampling: Truncation::OVERSAMPLING,
        }
    }
}

impl Method for Loftq {
    fn card(&self) -> Card {
        Card {
            name: "loftq",
            paper: "loftq",
            summary: "LoRA beside the weight in 4-bit NF4, with a start that makes up for the rounding",
            formula: "base = NF4(W), T times: b·a = principal part of W - base, base = NF4(W - s·b·a) but for the last; \
                      w = base + s·b·a; a and b are trained",
            exact: false,
            trains: &["a", "b"],
            export: Export::Quantized,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        check_turns(self.turns)?;
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        factor_numbers(site, rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let scale = scale(self.alpha, rank, self.rslora);
        let how = self.svd.truncation(self.iterations, self.oversampling, rng);
        let (turns, double) = (self.turns, self.double_quantization);
        let alternation = Alternation { first: First::Base, turns, double, how, scale };
        let (base, [a, b]) = alternation.split(site, rank)?;
        Ok(Box::new(weight::LowRank::rounded(base, &a, &b, scale).with_dropout(self.dropout)))
    }
}
