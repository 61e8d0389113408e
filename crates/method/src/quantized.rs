//! A weight as a base in NF4 with a low-rank branch that makes up for the rounding, each found from the other by turns:
//!
//!     branch    b·a ← the principal part of rank r of (W − base)/s, as in PiSSA
//!     base      base ← Q(W − s·b·a)                                Q: to NF4 and back
//!
//! A turn costs one SVD. Which comes first is what QPiSSA and LoftQ differ in: the branch, of W itself, or the base, of W
//! as it is. The last one found makes up for the other's error.
//! Paper: [pissa] §4, [loftq] algorithm 1.

use crate::{
    Error, Result, Site, check_finite,
    lora::{factor_plan, scale},
    pissa::{Decomposition, factors},
};
use rankine_linalg::Truncation;
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Frozen, Stored, Tensor};
use serde::{Deserialize, Serialize};

/// What is found first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The principal part of the weight.
    Branch,
    /// The weight in NF4.
    Base,
}

/// Hyperparameters of both methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// T: how often each of base and branch is found.
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

impl Default for Settings {
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

impl Settings {
    pub(crate) fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        if self.turns == 0 {
            return Err(Error::Setting { name: "turns", expected: "1 or more", found: "0".to_owned() });
        }
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    pub(crate) fn attach(
        &self,
        first: First,
        site: &Site<'_>,
        rank: usize,
        rng: Rng,
    ) -> Result<Box<dyn Weight>> {
        let scale = scale(self.alpha, rank, self.rslora);
        let how = self.svd.truncation(self.iterations, self.oversampling, rng);
        let (turns, double) = (self.turns, self.double_quantization);
        let (base, [a, b]) = Alternation { first, turns, double, how, scale }.split(site, rank)?;
        Ok(Box::new(weight::LowRank::rounded(base, &a, &b, scale).with_dropout(self.dropout)))
    }
}

/// How base and branch are found at a site.
struct Alternation {
    first: First,
    turns: usize,
    double: bool,
    how: Truncation,
    scale: f32,
}

impl Alternation {
    /// The base, and a: [rank, in] and b: [out, rank], which make about the site's weight together.
    fn split(&self, site: &Site<'_>, rank: usize) -> Result<(Frozen, [Tensor; 2])> {
        let original = site.weight.tensor();
        let branch_of = |left: &Frozen| factors(&Site { weight: left, ..*site }, rank, self.how, self.scale);
        let left_by = |base: &Frozen| Ok::<_, Error>(Frozen::from(original.sub(&base.tensor())?));
        let base_of =
            |[a, b]: &[Tensor; 2]| nf4(site.path, &original.minus_product(b, a, self.scale)?, self.double);
        let (mut base, mut branch) = match self.first {
            First::Branch => {
                let branch = branch_of(site.weight)?;
                (base_of(&branch)?, branch)
            }
            First::Base => {
                let base = nf4(site.path, &original, self.double)?;
                let branch = branch_of(&left_by(&base)?)?;
                (base, branch)
            }
        };
        for _ in 1..self.turns {
            match self.first {
                First::Branch => {
                    branch = branch_of(&left_by(&base)?)?;
                    base = base_of(&branch)?;
                }
                First::Base => {
                    base = base_of(&branch)?;
                    branch = branch_of(&left_by(&base)?)?;
                }
            }
        }
        Ok((base, branch))
    }
}

/// The matrix at `path` in NF4; [out, in]. A number that is not finite is an error: it would spoil its whole block.
pub(crate) fn nf4(path: &str, weight: &Tensor, double: bool) -> Result<Frozen> {
    let [rows, columns] = weight.matrix("nf4")?;
    check_finite(path, weight)?;
    let stored = weight.read(|values| match double {
        true => Stored::nf4_double(values, rows, columns),
        false => Stored::nf4(values, rows, columns),
    });
    Ok(stored.into())
}
