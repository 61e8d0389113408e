//! One model's units in the order of another's: the same function, as near to the other as a permutation can bring it.
//!
//!     π(W_ℓ) = P_ℓ·W_ℓ·P_{ℓ−1}ᵀ,  π(b_ℓ) = P_ℓ·b_ℓ        f_{π(θ)} = f_θ
//!
//! Two networks that learnt the same from different starts have their units in different orders, and their average is no good;
//! aligned it often is. What may be permuted is in [`PermutationSpec`], how the permutation is found in `matching.rs`. Several
//! models are each aligned to one anchor, which also brings them near to each other.
//!
//! Needs the similarities of one group, 8·units² bytes, and two tensors; the result is streamed. Paper: [matching], after Git
//! Re-Basin (arXiv 2209.04836). Departures: groups that cannot gain are passed over; of attention heads the inside stays. The
//! searches by activations and by training need data and models that run: who has both finds here what is left to do, in
//! `activations.rs` and `straight_through.rs`.

mod activations;
mod aligned;
mod build;
mod chain;
mod guided;
mod images;
mod matching;
mod overlap;
mod permutations;
mod permuted;
mod shadow;
mod similarity;
mod spec;
mod straight_through;
mod transformers;

pub use activations::{Correlations, UnitOrders};
pub use aligned::{Aligned, AlignedGroup};
pub use overlap::Overlap;
pub use permutations::Permutations;
pub use permuted::Permuted;
pub use spec::{Group, PermutationSpec, ReadUnits, UnitKind};
pub use straight_through::{Guided, Loss, MidpointLosses, Origin, StraightThrough};

use crate::write::{Plan, WriteOptions, shard_plan};
use crate::{Error, Result, Subject, Watch};
use indexmap::IndexMap;
use matching::Start;
use overlap::overlaps;
use rankine_checkpoint::Difference;
use rankine_random::Rng;
use similarity::Models;
use std::path::Path;

/// How a model is aligned to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// What is permuted.
    pub kinds: Vec<UnitKind>,
    /// How often all groups have their turn at most; 1 or more.
    pub sweeps: usize,
    /// How often it is tried, in other orders of the groups; the nearest counts; 1 or more.
    pub starts: usize,
    /// Seed of the orders.
    pub seed: u64,
}

/// Everything, by the defaults of Git Re-Basin's code.
impl Default for Alignment {
    fn default() -> Self {
        Self { kinds: UnitKind::ALL.to_vec(), sweeps: 100, starts: 1, seed: 0 }
    }
}

impl Alignment {
    /// Writes `second`, aligned to `first`, to the folder `target`. For a GGUF model the caller gives the tokenizer in
    /// [`WriteOptions::extra_files`].
    ///
    /// # Errors
    /// As [`find`](Self::find); also when `target` exists and may not be replaced (the models never are) or writing fails. Nothing
    /// is left behind then.
    pub fn run(
        &self,
        first: Subject<'_>,
        second: Subject<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<(Aligned, Plan)> {
        let mut options = options.clone();
        options.inputs.push(first.path().to_owned());
        second.check_output(target, &options)?;
        shard_plan(second.tensors(), &options)?;
        let aligned = self.find(first, second, watch)?;
        let plan = aligned.write(second, target, &options, watch)?;
        Ok((aligned, plan))
    }

    /// The permutation of `second` that brings it near to `first`.
    ///
    /// # Errors
    /// When a setting is out of its range, the two are not of one architecture and size, a model is not whole or has thin layers,
    /// how its layers follow each other cannot be told, nothing of the kinds is in it, a number is not finite, or `watch` breaks
    /// off.
    pub fn find(&self, first: Subject<'_>, second: Subject<'_>, watch: &mut Watch) -> Result<Aligned> {
        let spec = self.spec(first, second)?;
        let (ours, theirs) = (first.tensors(), second.tensors());
        let before = overlaps(ours, theirs, watch)?;
        let models = Models { spec: &spec, first: ours, second: theirs };
        let mut best = self.attempt(models, &before, 0, watch)?;
        for start in 1..self.starts {
            let next = self.attempt(models, &before, start, watch)?;
            if next.after.apart < best.after.apart {
                best = next;
            }
        }
        Ok(best)
    }

    /// One start.
    fn attempt(
        &self,
        models: Models<'_>,
        before: &IndexMap<String, Overlap>,
        start: usize,
        watch: &mut Watch,
    ) -> Result<Aligned> {
        let rng = Rng::new(self.seed).fork("align").fork_index("start", start);
        let matched = models.matched(Start::of(models.spec), self.sweeps, &rng, watch)?;
        models.judged(matched, before, watch)
    }

    /// What may change places in both.
    ///
    /// # Errors
    /// As [`find`](Self::find), before any number is read.
    pub fn spec(&self, first: Subject<'_>, second: Subject<'_>) -> Result<PermutationSpec> {
        for (name, found) in [("sweeps", self.sweeps), ("starts", self.starts)] {
            if found == 0 {
                return Err(Error::Setting { name, expected: "1 or more", found: "0".to_owned() });
            }
        }
        let difference = Difference::between(first.tensors(), second.tensors());
        if !difference.is_empty() {
            return Err(first.unlike(second, difference));
        }
        let [ours, theirs] = [first, second].map(|model| model.path().to_owned());
        let spec = PermutationSpec::of(first, &self.kinds)?;
        // The same tensors may be cut into other heads.
        if spec != PermutationSpec::of(second, &self.kinds)? {
            return Err(Error::OtherUnits { first: ours, second: theirs });
        }
        if spec.groups().is_empty() { Err(Error::NoUnits { path: ours }) } else { Ok(spec) }
    }
}
