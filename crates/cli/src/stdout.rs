//! Writing results. A reader that has seen enough (`rankine papers | head`) is not an error.

use crate::errors::{Closed, Failure};
use std::io::{ErrorKind, Write as _};

/// Writes and flushes, so that streamed text appears at once.
///
/// # Errors
/// [`Closed`] when nobody reads any more; [`Failure`] when writing fails otherwise, on a full disk for example.
pub fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(error) => Err(Failure::new(format!("could not write to stdout: {error}")).into()),
    }
}
