//! All that is wrong with a module at once, where `?` would stop at the first of its tensors.

use crate::Error;
use rankine_checkpoint::Error as FileError;
use rankine_checkpoint::adapter::Fault;

/// Why a module cannot be converted: one error or more.
#[derive(Debug)]
pub(super) struct Faults {
    first: Box<Error>,
    more: Vec<Error>,
}

impl Faults {
    /// Each by itself, in the order in which they were found.
    pub fn errors(self) -> impl Iterator<Item = Error> {
        std::iter::once(*self.first).chain(self.more)
    }

    fn and(mut self, others: Self) -> Self {
        self.more.extend(others.errors());
        self
    }
}

impl From<Error> for Faults {
    fn from(error: Error) -> Self {
        Self { first: Box::new(error), more: Vec::new() }
    }
}

impl From<FileError> for Faults {
    fn from(error: FileError) -> Self {
        Error::from(error).into()
    }
}

/// The first; one that lists tensors lists those of the others too.
impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        let mut first = *faults.first;
        if let Self::Checkpoint(FileError::Adapter { fault: Fault::Mismatch(mismatch), .. }) = &mut first {
            for error in faults.more {
                if let Self::Checkpoint(FileError::Adapter { fault: Fault::Mismatch(other), .. }) = error {
                    mismatch.missing.extend(other.missing);
                    mismatch.misshapen.extend(other.misshapen);
                }
            }
        }
        first
    }
}

/// The two, or what is wrong with either.
pub(super) fn both<A, B>(
    one: Result<A, impl Into<Faults>>,
    other: Result<B, impl Into<Faults>>,
) -> Result<(A, B), Faults> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(Faults::and(one.into(), other.into())),
        (Err(error), Ok(_)) => Err(error.into()),
        (Ok(_), Err(error)) => Err(error.into()),
    }
}
