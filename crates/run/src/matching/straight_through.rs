//! Straight-through matching: the order of units with the least loss half-way between two models, found by training.
//!
//!     π = argmax_π ⟨θ̂, π(θ_b)⟩        L(½·(θ_a + π(θ_b)))
//!     v ← β·v + ½·∇L,   θ̂ ← θ̂ − η·v        θ̂ = θ_a at first
//!
//! The slope is taken half-way and moves θ̂, of which only the projection π is ever looked at: as if the projection were the
//! identity. It is weight matching, from the last π on; the first is weight matching of the models themselves. After every pass
//! over the data and at the end the loss on all of them is measured; the least counts, that of the models as they are included.
//! Norms that keep statistics have the mean of both half-way, or those of the data at hand ([`Examiner::reset_norms`]).
//!
//! Costs a step of training and a weight matching a step; memory for the models, and v and θ̂ of what may be permuted.
//! Paper: [matching], after Git Re-Basin (arXiv 2209.04836) §3.3; η and β are those of its code for MLPs, which makes 250 epochs.
//! Departure: there the best step is that of the lowest loss on its own batch.

use super::guide::Asked;
use super::shadow::{Descent, Shadow};
use super::tell;
use crate::{Error, Examiner, Result};
use rankine_checkpoint::Tensors;
use rankine_surgery::{
    Aligned, Alignment, Interpolated, PermutationSpec, Permutations, Permuted, Progress, Stage, Subject,
    Watch,
};
use serde::Serialize;

/// The share of the second model half-way, and of the slope there that is its own.
const HALF: f32 = 0.5;

/// How the search goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StraightThrough {
    /// Batches that are learnt from; 1 or more.
    pub steps: usize,
    /// η; above 0.
    pub learning_rate: f32,
    /// β; from 0 on, below 1.
    pub momentum: f32,
}

impl Default for StraightThrough {
    fn default() -> Self {
        Self { steps: 300, learning_rate: 0.01, momentum: 0.9 }
    }
}

/// Mean losses half-way between two models, on all data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MidpointLosses {
    /// Of the models as they are.
    pub naive: f64,
    /// After weight matching, where the search begins.
    pub weights: f64,
    /// The least.
    pub best: f64,
    /// The step of the least; 0 where it is one of the two above.
    pub step: usize,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Guided {
    /// The order of the second model's units, and what it does.
    pub aligned: Aligned,
    /// What it was found by.
    pub losses: MidpointLosses,
}

impl StraightThrough {
    fn check(&self) -> Result<()> {
        let &Self { steps, learning_rate, momentum } = self;
        let rate = 0.0 < learning_rate && learning_rate.is_finite();
        for (name, is_right, expected, found) in [
            ("steps", 0 < steps, "1 or more", steps.to_string()),
            ("learning rate", rate, "above 0", learning_rate.to_string()),
            ("momentum", (0.0..1.0).contains(&momentum), "from 0 on and below 1", momentum.to_string()),
        ] {
            if !is_right {
                return Err(Error::Surgery(rankine_surgery::Error::Setting { name, expected, found }));
            }
        }
        Ok(())
    }
}

impl Examiner {
    /// The order of the units of `second` with the least loss on the data half-way to `first`, of all that the search comes by.
    ///
    /// # Errors
    /// When a setting is out of its range, as [`Alignment::find`], when a model cannot be read, a loss or slope is not finite,
    /// or `watch` breaks off.
    pub fn straight_through(
        &self,
        search: &StraightThrough,
        alignment: &Alignment,
        models: (Subject<'_>, Subject<'_>),
        watch: &mut Watch<'_>,
    ) -> Result<Guided> {
        search.check()?;
        let (first, second) = models;
        let spec = alignment.spec(first, second)?;
        let start = alignment.find(first, second, watch)?;
        let middle = Middle { examiner: self, spec: &spec, first, second };
        let identity = Permutations::identity(&spec);
        let naive = middle.loss(&identity, watch)?;
        let weights = middle.loss(&start.permutations, watch)?;
        let mut best = Best { loss: weights, permutations: start.permutations.clone(), step: 0 };
        best.offer(naive, &identity, 0);
        let found = (start.permutations, start.sweeps);
        let sweeps = middle.search(search, alignment, (found, &mut best), watch)?;
        let Best { loss, permutations, step } = best;
        if !loss.is_finite() {
            let (what, learning_rate) = ("loss half-way between the models", search.learning_rate);
            return Err(rankine_train::Error::NotFinite { what, step, learning_rate }.into());
        }
        let aligned = Aligned::of(&spec, models, (permutations, sweeps), watch)?;
        Ok(Guided { aligned, losses: MidpointLosses { naive, weights, best: loss, step } })
    }
}

/// The least loss, and where it is.
struct Best {
    loss: f64,
    permutations: Permutations,
    step: usize,
}

impl Best {
    fn offer(&mut self, loss: f64, permutations: &Permutations, step: usize) {
        if loss < self.loss || self.loss.is_nan() {
            *self = Self { loss, permutations: permutations.clone(), step };
        }
    }
}

/// The models half-way between the first and the second in any order.
struct Middle<'a> {
    examiner: &'a Examiner,
    spec: &'a PermutationSpec,
    first: Subject<'a>,
    second: Subject<'a>,
}

impl Middle<'_> {
    /// Works on the one with this order.
    fn with<R>(&self, order: &Permutations, work: impl FnOnce(&dyn Tensors) -> Result<R>) -> Result<R> {
        let permuted = Permuted::new(self.second.tensors(), self.spec, order);
        let places = [self.first.path(), self.second.path()];
        let pair = rankine_surgery::pair([self.first.tensors(), &permuted], places)?;
        work(&Interpolated::new(pair, f64::from(HALF)))
    }

    /// Its mean loss on all data.
    fn loss(&self, order: &Permutations, watch: &mut Watch<'_>) -> Result<f64> {
        let &Examiner { ref held, resets_norms } = self.examiner;
        let total = held.examples() as u64;
        let told = &mut |done: usize| {
            // Asked once more before the next step.
            let _ = watch(Progress { stage: Stage::Evaluating, done: done as u64, total });
        };
        let [loss, _] = self.with(order, |model| held.examine(model, resets_norms, told))?;
        Ok(loss)
    }

    /// Trains θ̂ from weight matching on, and offers what it comes by; how often all groups had their turn.
    fn search(
        &self,
        search: &StraightThrough,
        alignment: &Alignment,
        ((mut order, mut sweeps), best): ((Permutations, usize), &mut Best),
        watch: &mut Watch<'_>,
    ) -> Result<usize> {
        let &StraightThrough { steps, learning_rate, momentum } = search;
        let descent = Descent { learning_rate, momentum, share: HALF };
        let &Examiner { ref held, resets_norms } = self.examiner;
        let mut shadow = Shadow::new(self.first.tensors());
        let mut measured = order.clone();
        for step in 1..=steps {
            let progress = Progress { stage: Stage::Matching, done: step as u64 - 1, total: steps as u64 };
            tell(progress, watch)?;
            if 1 < step {
                let tensors: [&dyn Tensors; 2] = [&shadow, self.second.tensors()];
                let told = &mut |_: Progress| watch(progress);
                let (next, turns) = alignment.project(self.spec, tensors, (order, step), told)?;
                (order, sweeps) = (next, sweeps + turns);
            }
            let asked = Asked { step, learning_rate, resets_norms };
            let slope = self.with(&order, |model| held.slope(model, self.spec, asked))?;
            shadow.descend(slope, descent)?;
            let is_due = step.is_multiple_of(held.steps_per_epoch()) || step == steps;
            if is_due && order != measured {
                best.offer(self.loss(&order, watch)?, &order, step);
                measured.clone_from(&order);
            }
        }
        Ok(sweeps)
    }
}
