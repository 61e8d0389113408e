//! LoLDU: the triangular factors of a weight stay, some of its pivots are trained.
//!
//!     W = P·L·diag(d)·U,   b = P·L_r,   a = U_r,   base = W − s · b·diag(z₀)·a
//!     w = base + s · b·diag(z)·a        base: [out, in]  a: [r, in]  b: [out, r]  z: [r]        s = α/r
//!
//! Trains z: r numbers, and with `train_scale` s as one more. z₀ is the first r pivots, in the order of elimination, or what
//! `init` says. They need the first r columns of W alone, so that attaching costs O(r²·(out + in)) and one product: no SVD.
//! What was learnt, b·diag(s·z − s₀·z₀)·a, is a LoRA of rank r exactly. While s stays it does not depend on z₀, and neither
//! does the gradient, so that starts differ in what weight decay pulls to, and in rounding. Entries of L are at most 1, those
//! of U are not bounded: a small pivot makes a row of a large, the weight sensitive to its number, and the start inexact
//! where z₀ is far from d. A convolution is taken over as the matrix [out, in·height·width].
//!
//! Paper: [loldu]. Departures: the base is computed from the z₀ that is trained, whatever the start; the released code
//! keeps the pivots in it for `s_uniform`, `s_normal`, `ones` and `zeros`, which damages the model (`legacy_residual` does
//! the same). s stays unless it is asked for: the paper trains it, but s·z reaches the same weights, and the released code,
//! whose r numbers a weight the paper's tables count, neither trains nor saves it. A pivot that is too small keeps its place
//! in z without an effect: its row of a is zero, and its part of W stays in the base.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{factor_plan, scale},
};
use rankine_linalg::{Ldu, ldu};
use rankine_nn::{Kind, Leaf, Leaves, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Low-rank adaptation by the pivots of an LDU decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loldu {
    /// r; the paper takes 768 to 1024, up to the whole smaller side.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How z starts.
    pub init: Init,
    /// Pivots of at most this share of the largest of the r have no effect.
    pub min_pivot: f32,
    /// Take the pivots out of the base rather than the start, where the released code does.
    pub legacy_residual: bool,
    /// Train s too, from α/r.
    pub train_scale: bool,
}

/// How the trained numbers start; m and σ are mean and standard deviation of the r pivots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// As the pivots.
    #[default]
    Lu,
    /// Uniform in ±m/2.
    Uniform,
    /// Normal, N(m, σ²).
    Normal,
    /// All m.
    Constant,
    /// Uniform in ±1.
    SUniform,
    /// Normal, N(0, 1).
    SNormal,
    /// All 1.
    Ones,
    /// All 0.
    Zeros,
}

impl Default for Loldu {
    fn default() -> Self {
        // [loldu]'s bound for pivots in f32.
        let min_pivot = 1e-7;
        Self {
            rank: 16,
            alpha: None,
            dropout: 0.0,
            init: Init::Lu,
            min_pivot,
            legacy_residual: false,
            train_scale: false,
        }
    }
}

impl Method for Loldu {
    fn card(&self) -> Card {
        Card {
            name: "loldu",
            paper: "loldu",
            summary: "only the first pivots of an LDU decomposition are trained, between frozen triangular factors",
            formula: "W = P·L·diag(d)·U; b = P·L_r, a = U_r, w = (W - s·b·diag(z0)·a) + s·b·diag(z)·a, \
                      s = alpha/rank; z is trained, r numbers a weight, and s where asked for",
            exact: !self.keeps_pivots(),
            trains: if self.train_scale { &["core", "scale"] } else { &["core"] },
            export: Export::Lora,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        if !(0.0..1.0).contains(&self.min_pivot) {
            let found = self.min_pivot.to_string();
            return Err(Error::Setting { name: "min_pivot", expected: "at least 0 and below 1", found });
        }
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn trained(&self, _: &Site<'_>, rank: usize) -> Result<usize> {
        Ok(rank + usize::from(self.train_scale))
    }

    fn attach(&self, site: &Site<'_>, rank: usize, mut rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let original = site.matrix()?.tensor();
        let factors = original
            .read(|w| ldu(w, outputs, inputs, rank))
            .map_err(|source| Error::Decomposition { path: site.path.to_owned(), source })?;
        let start = self.init.start(&factors.d, &mut rng);
        let taken = if self.keeps_pivots() { factors.d.clone() } else { start.clone() };
        let b =
            factors.permutation.iter().flat_map(|row| &factors.l[row * rank..][..rank]).copied().collect();
        let a = Leaf::Frozen(Tensor::new(self.rows(factors), &[rank, inputs])?.into());
        let b = Leaf::Frozen(Tensor::new(b, &[outputs, rank])?.into());
        let core = Leaf::Trained(Var::new(taken, &[rank])?);
        let scale = scale(self.alpha, rank, false);
        let mut weight = if self.train_scale {
            let scale = Leaf::Trained(Var::new(vec![scale], &[1])?);
            weight::LowRank::scaled_core_taken_out(&original, a, b, [core, scale])?
        } else {
            weight::LowRank::core_taken_out(&original, a, b, core, scale)?
        };
        // What was taken out of the base is remembered, so that the update is relative to W with either start.
        weight.leaves_mut(&mut |name, leaf| {
            if let ("core", Leaf::Trained(z)) = (name, leaf) {
                z.update(|z| z.copy_from_slice(&start));
            }
        });
        Ok(Box::new(weight.with_dropout(self.dropout).folded(&site.weight.shape())))
    }
}

impl Loldu {
    /// Whether the base misses the pivots and not the start.
    fn keeps_pivots(&self) -> bool {
        self.legacy_residual && matches!(self.init, Init::SUniform | Init::SNormal | Init::Ones | Init::Zeros)
    }

    /// U_r, zero where the pivot is too small; [r, in].
    fn rows(&self, factors: Ldu) -> Vec<f32> {
        let largest = factors.d.iter().fold(0.0_f32, |largest, d| largest.max(d.abs()));
        let small = |k: usize| !factors.divides(k) || factors.d[k].abs() <= self.min_pivot * largest;
        let small: Vec<bool> = (0..factors.rank).map(small).collect();
        let mut u = factors.u;
        let rows = u.chunks_exact_mut(factors.columns).zip(small);
        rows.filter(|(_, small)| *small).for_each(|(row, _)| row.fill(0.0));
        u
    }
}

impl Init {
    /// z₀ for the pivots d; both [r].
    fn start(self, d: &[f32], rng: &mut Rng) -> Vec<f32> {
        let count = d.len();
        let mean = d.iter().sum::<f32>() / count as f32;
        match self {
            Self::Lu => d.to_vec(),
            Self::Uniform => rng.uniforms(count, mean.abs() / 2.0),
            Self::Normal => rng.normals(count, deviation(d, mean)).iter().map(|x| mean + x).collect(),
            Self::Constant => vec![mean; count],
            Self::SUniform => rng.uniforms(count, 1.0),
            Self::SNormal => rng.normals(count, 1.0),
            Self::Ones => vec![1.0; count],
            Self::Zeros => vec![0.0; count],
        }
    }
}

/// √(Σ(x − mean)²/(n − 1)), torch's; 0 for a single number.
fn deviation(values: &[f32], mean: f32) -> f32 {
    let squares: f32 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f32).sqrt()
}
