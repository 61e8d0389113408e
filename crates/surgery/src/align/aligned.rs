//! A permutation that was found: what it does, and the model that it makes, written.

use super::matching::Matched;
use super::overlap::{Overlap, overlaps};
use super::permutations::Permutations;
use super::permuted::Permuted;
use super::similarity::Models;
use super::spec::{Group, PermutationSpec};
use crate::output::check_outside;
use crate::write::{Plan, Weights, WriteOptions, is_stored_double, shard_plan, summary, unchanged};
use crate::{Result, Subject, Watch};
use indexmap::IndexMap;
use std::path::Path;

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

impl Aligned {
    /// A permutation of `second` that was found in so many sweeps, with what it does.
    ///
    /// # Errors
    /// When a number cannot be read, or `watch` breaks off.
    pub fn of(
        spec: &PermutationSpec,
        (first, second): (Subject<'_>, Subject<'_>),
        (permutations, sweeps): (Permutations, usize),
        watch: &mut Watch,
    ) -> Result<Self> {
        let models = Models { spec, first: first.tensors(), second: second.tensors() };
        let before = overlaps(models.first, models.second, watch)?;
        models.judged(Matched { permutations, sweeps }, &before, watch)
    }

    /// The second model, aligned.
    pub fn applied<'a>(&self, second: Subject<'a>) -> Permuted<'a> {
        Permuted::new(second.tensors(), &self.spec, &self.permutations)
    }

    /// Writes the second model, aligned, to the folder `target`. What the first is read from stands in
    /// [`WriteOptions::inputs`]; for a GGUF model the caller gives the tokenizer in [`WriteOptions::extra_files`].
    ///
    /// # Errors
    /// When `target` exists and may not be replaced (the models never are), a number cannot be read, writing fails, or `watch`
    /// breaks off; nothing is left behind then.
    pub fn write(
        &self,
        second: Subject<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<Plan> {
        let options = second.complete(options);
        check_outside(target, options.read())?;
        let permuted = self.applied(second);
        // Numbers of f64 are moved as they are.
        let copied = |name: &str| !permuted.is_changed(name) || is_stored_double(&permuted, name);
        let weights = Weights { source: &permuted, copied: &copied, fill: &unchanged(&permuted) };
        let written = weights.write(&|plan| second.describe(plan, &options), target, &options, watch)?;
        Ok(written.plan)
    }

    /// What [`write`](Self::write) would write.
    ///
    /// # Errors
    /// When the settings do not fit the model.
    pub fn plan(&self, second: Subject<'_>, options: &WriteOptions) -> Result<Plan> {
        Ok(summary(&shard_plan(second.tensors(), options)?))
    }
}

impl Models<'_> {
    /// What was found, with what it does to the overlaps, which are now those in `before`.
    pub fn judged(
        &self,
        found: Matched,
        before: &IndexMap<String, Overlap>,
        watch: &mut Watch,
    ) -> Result<Aligned> {
        let Matched { permutations, sweeps } = found;
        let permuted = Permuted::new(self.second, self.spec, &permutations);
        let after = overlaps(self.first, &permuted, watch)?;
        let groups = groups(self.spec, &permutations, [before, &after]);
        let (spec, before, after) = (self.spec.clone(), total(before), total(&after));
        Ok(Aligned { spec, permutations, groups, sweeps, before, after })
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
