//! What keeps a model from being looked into, and how to mend it.

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
    /// A pattern that the name of no tensor fits.
    #[error(
        "`tensor` should be the name of a tensor of the model, or a pattern of names with `*`; found `{pattern}`"
    )]
    NoTensor {
        /// What was given.
        pattern: String,
        /// A pattern that is like it, and that names fit.
        instead: Option<String>,
        /// Some of these names, or those that are most like what was given.
        nearest: Vec<String>,
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
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::Decomposition { source, .. } => source.hint(),
            Self::NoTensor { instead, nearest, .. } => Some(meant(instead.as_deref(), nearest)),
            Self::Setting { .. } | Self::Network { .. } | Self::Interrupted => None,
        }
    }
}

/// Which name or pattern was perhaps meant.
fn meant(instead: Option<&str>, nearest: &[String]) -> String {
    let names: Vec<String> = nearest.iter().map(|name| format!("`{name}`")).collect();
    match instead {
        Some(pattern) => format!("`{pattern}` fits {}", names.join(", ")),
        None if names.is_empty() => "`--headers --all` shows the names of all tensors".to_owned(),
        None => format!("the nearest names are {}", names.join(", ")),
    }
}
