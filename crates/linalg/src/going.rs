//! Breaking off long work: asked between its parts, and what they are.

use crate::{Error, Result};

/// Whether to go on; asked on any thread. Work that is told to stop ends in [`Error::Interrupted`].
pub type Going<'a> = dyn Fn() -> bool + Sync + 'a;

/// Nobody breaks off.
pub fn always() -> bool {
    true
}

/// Multiply-adds between two questions: some tenths of a second.
pub(crate) const UNASKED: usize = 1 << 31;

/// Asks.
///
/// # Errors
/// When the work is to stop.
pub fn ask(going: &Going<'_>) -> Result<()> {
    if going() { Ok(()) } else { Err(Error::Interrupted) }
}
