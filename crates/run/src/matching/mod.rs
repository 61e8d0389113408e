//! Which units of two models go together, by what the models do on data: the most alike activations, or the least loss half-way.
//!
//! What may change places, assignments, weight matching and the search by training are
//! [`surgery`](rankine_surgery::Alignment)'s; here models run, and are derived: for activations both lie in memory, for training
//! the one half-way. Every model with a configuration can be matched so: language models, classifiers of texts and of images.
//! Weights without one cannot, as nobody knows what they compute.

mod activations;
mod guide;
mod straight_through;
#[cfg(test)]
mod tests;

pub(crate) use guide::Guide;

use crate::{Error, Examiner, Result};
use rankine_surgery::{Aligned, Alignment, Progress, Subject, Watch};

impl Examiner {
    /// The order of the units of `second` in which they give what those of `first` give on the data. Groups are told apart by
    /// `alignment`; one that no map of the models reads is left to weight matching.
    ///
    /// # Errors
    /// As [`Alignment::find`], and when a model cannot be read, an activation is not finite, or `watch` breaks off.
    pub fn match_activations(
        &self,
        alignment: &Alignment,
        (first, second): (Subject<'_>, Subject<'_>),
        watch: &mut Watch<'_>,
    ) -> Result<Aligned> {
        let spec = alignment.spec(first, second)?;
        let orders = self.held.unit_orders(&spec, [first.tensors(), second.tensors()], watch)?;
        Ok(alignment.completed(orders, first, second, watch)?)
    }
}

/// Tells how far the work is.
///
/// # Errors
/// When `watch` breaks off.
fn tell(progress: Progress, watch: &mut Watch<'_>) -> Result<()> {
    match watch(progress).is_break() {
        true => Err(Error::Surgery(rankine_surgery::Error::Interrupted)),
        false => Ok(()),
    }
}
