//! How far a piece of work is, and breaking it off.

use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::ControlFlow;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Seeing the inputs of the weights; counted in batches, of which there may be fewer in the end.
    Calibrating,
    /// Comparing two models or what becomes of adapters; counted in tensors, in blocks of their rows, or in modules.
    Comparing,
    /// Finding which units of two models go together; counted in groups of units, again and again, or in steps of a training.
    Matching,
    /// Decomposing weights: to recompute what an initialisation took out of the base, or to choose ranks; counted in weights.
    Decomposing,
    /// Measuring models on data; counted in examples.
    Evaluating,
    /// Making matrices smaller; counted in matrices.
    Compressing,
    /// Finding what makes up for a compression; counted in matrices.
    Compensating,
    /// Blending tensors that are made all at once; counted in bytes.
    Blending,
    /// Going on with finished files of work that broke off; counted in files, and told once.
    Resuming,
    /// Throwing away what such work finished; likewise.
    Discarding,
    /// Making and writing the weights; counted in bytes.
    Writing,
    /// Decomposing an adapter's changes; counted in modules.
    Recompressing,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// Hears of progress; breaking off ends the work, of which nothing is left behind, but for finished files with
/// [`WriteOptions::resume`](crate::WriteOptions::resume).
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

impl Progress {
    /// An error when the caller wants no more.
    pub(crate) fn tell(self, watch: &mut Watch) -> Result<()> {
        match watch(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }

    /// `work` on some more, a group at a time, so that the caller hears of progress on its own thread.
    pub(crate) fn in_groups<T: Sync, P: Send>(
        &mut self,
        items: &[T],
        work: impl Fn(&T) -> Result<P> + Sync,
        watch: &mut Watch,
    ) -> Result<Vec<P>> {
        let mut made = Vec::with_capacity(items.len());
        for group in items.chunks(rayon::current_num_threads().max(1)) {
            made.extend(group.par_iter().map(&work).collect::<Result<Vec<_>>>()?);
            self.done += group.len() as u64;
            self.tell(watch)?;
        }
        Ok(made)
    }
}

/// As [`Progress::in_groups`], on all there is in a stage.
pub(crate) fn in_groups<T: Sync, P: Send>(
    stage: Stage,
    items: &[T],
    work: impl Fn(&T) -> Result<P> + Sync,
    watch: &mut Watch,
) -> Result<Vec<P>> {
    Progress { stage, done: 0, total: items.len() as u64 }.in_groups(items, work, watch)
}
