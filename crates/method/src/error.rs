//! What can go wrong when a method takes over a model.

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A method cannot be used as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No method has that name.
    #[error("no method is called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A rank that the weight cannot have.
    #[error("`{path}`: rank {rank} is not between 1 and {}, the smaller side of {shape:?}", shape[0].min(shape[1]))]
    Rank {
        /// The weight.
        path: String,
        /// The rank asked for.
        rank: usize,
        /// Its shape.
        shape: [usize; 2],
    },
    /// A hyperparameter outside its range.
    #[error("`{name}` should be {expected}; found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A module that the model has not.
    #[error("the model has no module `{name}` that can be trained as a whole")]
    Module {
        /// Its name.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A module that a method cannot take over.
    #[error("`{name}` is no linear layer of its own: an embedding, or a head that is the embedding")]
    NotAdaptable {
        /// Its name.
        name: String,
    },
    /// What was learnt at a weight is not a low-rank update.
    #[error("`{path}`: what was learnt is not a low-rank update")]
    NotLowRank {
        /// The weight.
        path: String,
    },
    /// Hyperparameters that cannot be read.
    #[error("method: {}", .0.message())]
    Read(#[from] toml::de::Error),
    /// Hyperparameters that cannot be written.
    #[error(transparent)]
    Write(#[from] toml::ser::Error),
    /// A decomposition failed.
    #[error("`{path}`: {source}")]
    Decomposition {
        /// The weight.
        path: String,
        /// Why.
        source: rankine_linalg::Error,
    },
    /// Shapes do not fit.
    #[error(transparent)]
    Tensor(#[from] rankine_tensor::Error),
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] rankine_nn::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Rank { shape, .. } => Some(format!(
                "choose a rank of at most {}, or leave the module out of the targets",
                shape[0].min(shape[1])
            )),
            Self::Module { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::NotAdaptable { name } => Some(format!(
                "leave `{name}` out of the targets; an embedding is trained as a whole with `targets.whole = [\"embed_tokens\"]`"
            )),
            Self::NotLowRank { .. } => Some("merge the run instead of exporting its adapter".to_owned()),
            Self::Decomposition { source, .. } => source.hint(),
            Self::Tensor(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Setting { .. } | Self::Read(_) | Self::Write(_) => None,
        }
    }
}
