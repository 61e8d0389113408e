//! One model's units in the order of another's: the same function, as near to the other as a permutation can bring it.
//!
//!     π(W_ℓ) = P_ℓ·W_ℓ·P_{ℓ−1}ᵀ,  π(b_ℓ) = P_ℓ·b_ℓ        f_{π(θ)} = f_θ
//!
//! Two networks that learnt the same from different starts have their units in different orders, and their average is no good;
//! aligned it often is. What may be permuted is in [`PermutationSpec`], how the permutation is found in `matching.rs`. Several
//! models are each aligned to one anchor, which also brings them near to each other.
//!
//! Needs the similarities of one group, 8·units² bytes, and two tensors; the result is streamed. Paper: [matching], after Git
//! Re-Basin (arXiv 2209.04836). Departures: groups that cannot gain are passed over; of attention heads the inside stays; the search
//! by training (STE) and by activations needs data and a loop, and is none of this crate's.

mod build;
mod chain;
mod images;
mod matching;
mod overlap;
mod permutations;
mod permuted;
mod similarity;
mod spec;
mod transformers;

pub use overlap::Overlap;
pub use permutations::Permutations;
pub use permuted::Permuted;
pub use spec::{Group, PermutationSpec, UnitKind};

use crate::output::check_target_outside;
use crate::write::{Plan, Weights, WriteOptions, shard_plan, summary, unchanged};
use crate::{Error, Result, Subject, Watch};
use indexmap::IndexMap;
use matching::Matched;
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

/// A permutation, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    /// What may be permuted.
    pub spec: PermutationSpec,
    /// The permutation of the second model.
    pub permutations: Permutations,
    /// By group, in the order of the specification.
    pub groups: Vec<AlignedGroup>,
    /// How often all groups had their turn.
    pub sweeps: usize,
    /// Of the two models as they are.
    pub before: Overlap,
    /// Of the first and the aligned second.
    pub after: Overlap,
}

/// A group of units, and how alike they are.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignedGroup {
    /// The group.
    pub group: Group,
    /// Units that are not where they were.
    pub moved: usize,
    /// Of all tensors with its units, as they are.
    pub before: Overlap,
    /// The same after the permutation of all groups.
    pub after: Overlap,
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
        let mut options = second.complete(options);
        options.inputs.push(first.path().to_owned());
        check_target_outside(target, &options)?;
        shard_plan(second.tensors(), &options)?;
        let aligned = self.find(first, second, watch)?;
        let permuted = aligned.applied(second);
        let copied = |name: &str| !permuted.is_changed(name);
        let weights = Weights { source: &permuted, copied: &copied, fill: &unchanged(&permuted) };
        let written = weights.write(&|plan| second.describe(plan, &options), target, &options, watch)?;
        Ok((aligned, written.plan))
    }

    /// What [`run`](Self::run) would write.
    ///
    /// # Errors
    /// As [`find`](Self::find); also when the settings do not fit the model.
    pub fn plan(
        &self,
        first: Subject<'_>,
        second: Subject<'_>,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<(Aligned, Plan)> {
        let plan = summary(&shard_plan(second.tensors(), options)?);
        Ok((self.find(first, second, watch)?, plan))
    }

    /// The permutation of `second` that brings it near to `first`.
    ///
    /// # Errors
    /// When a setting is out of its range, the two are not of one architecture and size, a model is not whole or has thin layers,
    /// how its layers follow each other cannot be told, nothing of the kinds is in it, a number is not finite, or `watch` breaks
    /// off.
    pub fn find(&self, first: Subject<'_>, second: Subject<'_>, watch: &mut Watch) -> Result<Aligned> {
        for (name, found) in [("sweeps", self.sweeps), ("starts", self.starts)] {
            if found == 0 {
                return Err(Error::Setting { name, expected: "1 or more", found: "0".to_owned() });
            }
        }
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
        let Matched { permutations, sweeps } = models.matched(self.sweeps, &rng, watch)?;
        let permuted = Permuted::new(models.second, models.spec, &permutations);
        let after = overlaps(models.first, &permuted, watch)?;
        let groups = groups(models.spec, &permutations, [before, &after]);
        let (spec, before, after) = (models.spec.clone(), total(before), total(&after));
        Ok(Aligned { spec, permutations, groups, sweeps, before, after })
    }

    /// That of both.
    fn spec(&self, first: Subject<'_>, second: Subject<'_>) -> Result<PermutationSpec> {
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

impl Aligned {
    /// The second model, aligned.
    pub fn applied<'a>(&self, second: Subject<'a>) -> Permuted<'a> {
        Permuted::new(second.tensors(), &self.spec, &self.permutations)
    }
}

fn groups(
    spec: &PermutationSpec,
    permutations: &Permutations,
    overlaps: [&IndexMap<String, Overlap>; 2],
) -> Vec<AlignedGroup> {
    let group = |(place, group): (usize, &Group)| {
        let [before, after] = overlaps.map(|overlaps| {
            let mut sum = Overlap::default();
            for (name, axes) in spec.tensors() {
                if axes.iter().any(|(_, layout)| layout.group == place) {
                    sum = sum.plus(overlaps.get(name).copied().unwrap_or_default());
                }
            }
            sum
        });
        AlignedGroup { group: group.clone(), moved: permutations.moved(place), before, after }
    };
    spec.groups().iter().enumerate().map(group).collect()
}

fn total(overlaps: &IndexMap<String, Overlap>) -> Overlap {
    overlaps.values().fold(Overlap::default(), |sum, one| sum.plus(*one))
}
