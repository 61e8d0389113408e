//! How far an analysis is, and breaking it off.

use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::ControlFlow;

/// How much of the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Matrices, pairs or batches that were looked at.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Hears of progress; breaking off ends the work.
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

impl Progress {
    /// An error when the caller wants no more.
    pub(crate) fn tell(self, watch: &mut Watch) -> Result<()> {
        match watch(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }
}

/// What `measure` finds of every item, in their order. In groups of as many as there are threads, so that the caller hears of
/// progress, counted in items, on its own thread.
pub(crate) fn on_all_threads<T: Sync, R: Send>(
    items: &[T],
    measure: impl Fn(&T) -> Result<R> + Sync,
    watch: &mut Watch,
) -> Result<Vec<R>> {
    let mut progress = Progress { done: 0, total: items.len() as u64 };
    let mut found = Vec::with_capacity(items.len());
    for group in items.chunks(rayon::current_num_threads()) {
        found.extend(group.par_iter().map(&measure).collect::<Result<Vec<_>>>()?);
        progress.done += group.len() as u64;
        progress.tell(watch)?;
    }
    Ok(found)
}
