//! Straight-through matching: the order of units with the least loss half-way between two models, found by training.
//!
//!     π = argmax_π ⟨θ̂, π(θ_b)⟩        L(½·(θ_a + π(θ_b)))
//!     v ← β·v + ½·∇L,   θ̂ ← θ̂ − η·v        θ̂ = θ_a at first, or 0
//!
//! The slope is taken half-way and moves θ̂, of which only the projection π is ever looked at: as if the projection were the
//! identity. It is weight matching, from the last π on; the first is weight matching of the models themselves. After every pass
//! over the data and at the end the loss on all of them is measured; the least counts, that of the models as they are included.
//!
//! Nothing here runs a model: who can, gives a [`Loss`]. Costs a step of training and a weight matching a step; memory for the
//! models, and v and θ̂ of what may be permuted.
//! Paper: [matching], after Git Re-Basin (arXiv 2209.04836) §3.3; η and β are those of its code for MLPs, which makes 250 epochs.
//! Departures: there the best step is that of the lowest loss on its own batch, and θ̂ starts at θ_a.

use super::aligned::Aligned;
use super::permutations::Permutations;
use super::permuted::Permuted;
use super::shadow::{Descent, Shadow};
use super::{Alignment, PermutationSpec};
use crate::{Error, Interpolated, Progress, Result, Stage, Subject, Watch, pair};
use rankine_checkpoint::Tensors;

/// The share of the second model half-way, and of the slope there that is its own.
const HALF: f32 = 0.5;

/// How the search goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StraightThrough {
    /// Batches that are learnt from; 1 or more.
    pub steps: usize,
    /// η; above 0. From [nothing](Origin::Nothing) on it changes the scale of θ̂ only, and so no order.
    pub learning_rate: f32,
    /// β; from 0 on, below 1.
    pub momentum: f32,
    /// θ̂ at first.
    pub origin: Origin,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// At θ_a, with the order of weight matching.
    #[default]
    Weights,
    /// At 0, with the units as they are: the loss alone says which go together.
    Nothing,
}

impl Default for StraightThrough {
    fn default() -> Self {
        Self { steps: 300, learning_rate: 0.01, momentum: 0.9, origin: Origin::Weights }
    }
}

/// The loss of models on some data.
pub trait Loss {
    /// Why a model does not run.
    type Error: From<Error>;

    /// How many steps see every example once.
    fn steps_per_epoch(&self) -> usize;

    /// The mean on all data.
    ///
    /// # Errors
    /// When the model does not run.
    fn of(&self, model: &dyn Tensors, watch: &mut Watch) -> Result<f64, Self::Error>;

    /// The slope of the mean on the batch of a step, from 1, by every tensor of which something may be permuted: its name and the
    /// numbers, as the tensor lies in its file, for `each`.
    ///
    /// # Errors
    /// When the model does not run, and those of `each`.
    fn slope(
        &self,
        model: &dyn Tensors,
        spec: &PermutationSpec,
        step: usize,
        each: &mut dyn FnMut(&str, &[f32]) -> Result<()>,
    ) -> Result<(), Self::Error>;
}

/// Mean losses half-way between two models, on all data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MidpointLosses {
    /// Of the models as they are.
    pub naive: f64,
    /// Where the search begins.
    pub start: f64,
    /// The least; NaN or infinite where all of them are.
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
    /// The order of the units of the second model with the least `loss` half-way to the first, of all that the search comes by.
    ///
    /// # Errors
    /// When a setting is out of its range, as [`Alignment::find`], when a slope is not finite, and those of `loss`.
    pub fn find<L: Loss>(
        &self,
        alignment: &Alignment,
        models: (Subject<'_>, Subject<'_>),
        loss: &L,
        watch: &mut Watch,
    ) -> Result<Guided, L::Error> {
        self.check()?;
        let (first, second) = models;
        let spec = alignment.spec(first, second)?;
        let identity = Permutations::identity(&spec);
        let (order, sweeps) = match self.origin {
            Origin::Weights => {
                let found = alignment.find(first, second, watch)?;
                (found.permutations, found.sweeps)
            }
            Origin::Nothing => (identity.clone(), 0),
        };
        let middle = Middle { loss, spec: &spec, first, second };
        let naive = middle.loss(&identity, watch)?;
        let start = if order == identity { naive } else { middle.loss(&order, watch)? };
        let mut best = Best { loss: start, permutations: order.clone(), step: 0 };
        best.offer(naive, &identity, 0);
        let sweeps = middle.search(self, alignment, ((order, sweeps), &mut best), watch)?;
        let Best { loss: least, permutations, step } = best;
        let aligned = Aligned::of(&spec, models, (permutations, sweeps), watch)?;
        Ok(Guided { aligned, losses: MidpointLosses { naive, start, best: least, step } })
    }

    fn check(&self) -> Result<()> {
        let &Self { steps, learning_rate, momentum, .. } = self;
        let rate = 0.0 < learning_rate && learning_rate.is_finite();
        for (name, is_right, expected, found) in [
            ("steps", 0 < steps, "1 or more", steps.to_string()),
            ("learning rate", rate, "above 0", learning_rate.to_string()),
            ("momentum", (0.0..1.0).contains(&momentum), "from 0 on and below 1", momentum.to_string()),
        ] {
            if !is_right {
                return Err(Error::Setting { name, expected, found });
            }
        }
        Ok(())
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
struct Middle<'a, L> {
    loss: &'a L,
    spec: &'a PermutationSpec,
    first: Subject<'a>,
    second: Subject<'a>,
}

impl<L: Loss> Middle<'_, L> {
    /// Works on the one with this order.
    fn with<R>(
        &self,
        order: &Permutations,
        work: impl FnOnce(&dyn Tensors) -> Result<R, L::Error>,
    ) -> Result<R, L::Error> {
        let permuted = Permuted::new(self.second.tensors(), self.spec, order);
        let places = [self.first.path(), self.second.path()];
        let pair = pair([self.first.tensors(), &permuted], places)?;
        work(&Interpolated::new(pair, f64::from(HALF)))
    }

    /// Its mean loss on all data.
    fn loss(&self, order: &Permutations, watch: &mut Watch) -> Result<f64, L::Error> {
        self.with(order, |model| self.loss.of(model, watch))
    }

    /// Trains θ̂ from an order on, and offers what it comes by; how often all groups had their turn.
    fn search(
        &self,
        search: &StraightThrough,
        alignment: &Alignment,
        ((mut order, mut sweeps), best): ((Permutations, usize), &mut Best),
        watch: &mut Watch,
    ) -> Result<usize, L::Error> {
        let &StraightThrough { steps, learning_rate, momentum, origin } = search;
        let descent = Descent { learning_rate, momentum, share: HALF };
        let mut shadow = match origin {
            Origin::Weights => Shadow::new(self.first.tensors()),
            Origin::Nothing => Shadow::zero(self.first.tensors(), self.spec),
        };
        let mut measured = order.clone();
        for step in 1..=steps {
            let progress = Progress { stage: Stage::Matching, done: step as u64 - 1, total: steps as u64 };
            progress.tell(watch)?;
            if 1 < step {
                let tensors: [&dyn Tensors; 2] = [&shadow, self.second.tensors()];
                let told = &mut |_: Progress| watch(progress);
                let (next, turns) = alignment.project(self.spec, tensors, (order, step), told)?;
                (order, sweeps) = (next, sweeps + turns);
            }
            self.with(&order, |model| {
                let each = &mut |name: &str, slope: &[f32]| shadow.descend(name, slope, descent);
                self.loss.slope(model, self.spec, step, each)
            })?;
            let is_due = step.is_multiple_of(self.loss.steps_per_epoch()) || step == steps;
            if is_due && order != measured {
                best.offer(self.loss(&order, watch)?, &order, step);
                measured.clone_from(&order);
            }
        }
        Ok(sweeps)
    }
}
