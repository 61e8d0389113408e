//! Straight-through matching by the loss on the data of an [`Examiner`].
//!
//! The search is [`surgery`](StraightThrough)'s. Norms that keep statistics have the mean of both half-way, or those of the data
//! at hand ([`Examiner::reset_norms`]).

use super::guide::Asked;
use crate::{Error, Examiner, Result};
use rankine_checkpoint::Tensors;
use rankine_surgery::{
    Alignment, Guided, Loss, MidpointLosses, PermutationSpec, Progress, Stage, StraightThrough, Subject,
    Watch,
};

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
        let learning_rate = search.learning_rate;
        let found = search.find(alignment, models, &Examined { examiner: self, learning_rate }, watch)?;
        let MidpointLosses { best, step, .. } = found.losses;
        if !best.is_finite() {
            let what = "loss half-way between the models";
            return Err(rankine_train::Error::NotFinite { what, step, learning_rate }.into());
        }
        Ok(found)
    }
}

/// The loss on the data of an examiner.
struct Examined<'a> {
    examiner: &'a Examiner,
    /// For messages.
    learning_rate: f32,
}

impl Loss for Examined<'_> {
    type Error = Error;

    fn steps_per_epoch(&self) -> usize {
        self.examiner.held.steps_per_epoch()
    }

    fn of(&self, model: &dyn Tensors, watch: &mut Watch<'_>) -> Result<f64> {
        let &Examiner { ref held, resets_norms } = self.examiner;
        let total = held.examples() as u64;
        let told = &mut |done: usize| {
            // Asked once more before the next step.
            let _ = watch(Progress { stage: Stage::Evaluating, done: done as u64, total });
        };
        let [loss, _] = held.examine(model, resets_norms, told)?;
        Ok(loss)
    }

    fn slope(
        &self,
        model: &dyn Tensors,
        spec: &PermutationSpec,
        step: usize,
        each: &mut dyn FnMut(&str, &[f32]) -> rankine_surgery::Result<()>,
    ) -> Result<()> {
        let &Examiner { ref held, resets_norms } = self.examiner;
        let asked = Asked { step, learning_rate: self.learning_rate, resets_norms };
        for (name, slope) in held.slope(model, spec, asked)? {
            slope.read(|slope| each(&name, slope))?;
        }
        Ok(())
    }
}
