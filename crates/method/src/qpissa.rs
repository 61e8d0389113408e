//! QPiSSA: PiSSA with the residual in four bits.
//!
//!     R ← W, T times:   b·a ← principal part of rank r of R/s,   base ← NF4(W − s·b·a),   R ← W − base
//!     w = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers; the base takes 0.56 bytes a weight, 0.52 with double quantisation. Attaching costs T
//! SVDs a weight. w starts near W and not at it: nearer than LoftQ's after five turns, as the principal part holds the
//! outliers; after one it can be farther where the spectrum is flat.
//!
//! What was learnt is a LoRA on the base, not on W, from which the base differs by more than a matrix of low rank: a run
//! keeps the base with `keep_residual = true`.
//! Paper: [pissa] §4, in the order of the released code, which the printed algorithm departs from. Departures: those of
//! `pissa.rs`; blocks of NF4 stay in their row, which matters where 64 does not divide its length.

use crate::{
    Card, Export, Method, Result, Site,
    quantized::{First, Settings},
};
use rankine_nn::Weight;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// Principal singular values and singular vectors adaptation beside a quantised residual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Qpissa(pub Settings);

impl Method for Qpissa {
    fn card(&self) -> Card {
        Card {
            name: "qpissa",
            paper: "pissa",
            summary: "PiSSA with the frozen residual in 4-bit NF4; each found from the other, several times",
            formula: "T times: b·a = principal part of W - base (of W at first), base = NF4(W - s·b·a); w = base + s·b·a; \
                      a and b are trained",
            exact: false,
            trains: &["a", "b"],
            export: Export::Quantized,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        self.0.plan(sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        self.0.attach(First::Branch, site, rank, rng)
    }
}
