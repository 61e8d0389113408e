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
    quantized::{First, Settings},
};
use rankine_nn::Weight;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// LoRA-fine-tuning-aware quantisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loftq(pub Settings);

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
        self.0.plan(sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        self.0.attach(First::Base, site, rank, rng)
    }
}
