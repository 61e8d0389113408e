//! What the searches that see data ask for: the nearest order to weights that move, and orders of which some are known.

use super::Alignment;
use super::activations::UnitOrders;
use super::aligned::Aligned;
use super::matching::{Matched, Start};
use super::permutations::Permutations;
use super::similarity::Models;
use super::spec::PermutationSpec;
use crate::{Result, Subject, Watch};
use rankine_checkpoint::Tensors;
use rankine_random::Rng;

impl Alignment {
    /// argmax_π ⟨θ̂, π(θ_b)⟩ by weight matching from `start` on, and how often all groups had their turn; θ̂ and θ_b are
    /// `tensors` of the models that `spec` is [of](Self::spec). The orders of the groups are drawn for this `step`.
    ///
    /// # Errors
    /// When a number cannot be read or is not finite, or `watch` breaks off.
    pub fn project(
        &self,
        spec: &PermutationSpec,
        tensors: [&dyn Tensors; 2],
        (start, step): (Permutations, usize),
        watch: &mut Watch,
    ) -> Result<(Permutations, usize)> {
        let [first, second] = tensors;
        let rng = Rng::new(self.seed).fork("project").fork_index("step", step);
        let start = Start { permutations: start, ..Start::of(spec) };
        let Matched { permutations, sweeps } =
            Models { spec, first, second }.matched(start, self.sweeps, &rng, watch)?;
        Ok((permutations, sweeps))
    }

    /// These orders of groups; those that were not seen are found by weight matching, with the others held.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn completed(
        &self,
        orders: UnitOrders<'_>,
        first: Subject<'_>,
        second: Subject<'_>,
        watch: &mut Watch,
    ) -> Result<Aligned> {
        let UnitOrders { spec, orders, .. } = orders;
        let free = orders.iter().map(Option::is_none).collect();
        let mut permutations = Permutations::identity(spec);
        for (order, seen) in permutations.orders.iter_mut().zip(orders) {
            if let Some(seen) = seen {
                *order = seen;
            }
        }
        let models = Models { spec, first: first.tensors(), second: second.tensors() };
        let rng = Rng::new(self.seed).fork("complete");
        let Matched { permutations, sweeps } =
            models.matched(Start { permutations, free }, self.sweeps, &rng, watch)?;
        Aligned::of(spec, (first, second), (permutations, sweeps), watch)
    }
}
