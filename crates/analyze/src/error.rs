//! What keeps a model from being looked into, and how to mend it.

use rankine_checkpoint::Difference;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// A matrix could not be decomposed.
    #[error("`{name}`: {source}")]
    Decomposition {
        /// The weight.
        name: String,
        /// Why.
        source: rankine_linalg::Error,
    },
    /// Two models that should have the same tensors.
    #[error("`{}` and `{}` do not have the same tensors{difference}", first.display(), second.display())]
    Unlike {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// What they do not have alike.
        difference: Box<Difference>,
    },
    /// A setting outside its range.
    #[error("`{name}` should be {expected}; found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The network cannot be run on the data.
    #[error("the network does not run on the data: {source}")]
    Network {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller wanted no more.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Checkpoint(error) => return error.hint(),
            Self::Decomposition { source, .. } => return source.hint(),
            Self::Unlike { .. } => {
                "both should be copies of one architecture, with the same sizes and vocabulary"
            }
            Self::Setting { .. } | Self::Network { .. } | Self::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}
