//! How far an analysis is, and breaking it off.

use crate::{Error, Result};
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
