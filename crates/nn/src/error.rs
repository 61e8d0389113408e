//! What can go wrong when a model is built or run.

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A model cannot be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes do not fit.
    #[error(transparent)]
    Tensor(#[from] rankine_tensor::Error),
    /// The model's files are at fault.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// A tensor of the checkpoint has not the shape its configuration promises.
    #[error("`{name}` should have shape {expected:?}; found {found:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// What the configuration says.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
    /// A model of another family than the one that is built here.
    #[error("a model of type `{found}` is of another family")]
    Family {
        /// Its `model_type`.
        found: &'static str,
    },
    /// An encoder that is to write.
    #[error("`{found}` is an encoder: it tells texts apart and does not continue them")]
    NotLanguage {
        /// Its `model_type`.
        found: &'static str,
    },
    /// A language model that tells texts apart, and is to write.
    #[error("this `{found}` tells texts apart: it has a head for classes, and none for tokens")]
    NoLanguageHead {
        /// Its `model_type`.
        found: &'static str,
    },
    /// A token that the vocabulary does not have.
    #[error("token {token} is outside the model's vocabulary of {vocabulary}")]
    Token {
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// A text that is longer than the model can see.
    #[error("{tokens} tokens are more than the model's context of {context}")]
    Context {
        /// How many were given.
        tokens: usize,
        /// How many the model sees.
        context: usize,
    },
    /// Logits that are not finite.
    #[error("the model's output is not finite at position {position}")]
    NotFinite {
        /// Place in the text.
        position: usize,
    },
    /// A setting outside its range.
    #[error("`{name}` should be {expected}; found {found}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tensor(error) => error.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::TensorShape { .. } => {
                Some("config.json and the weights are not of the same model".to_owned())
            }
            Self::Family { .. } => {
                Some("`models::load` and `models::load_classifier` know the family of a model".to_owned())
            }
            Self::NotLanguage { .. } => {
                Some("choose a language model, or train this one with `--task classify`".to_owned())
            }
            Self::NoLanguageHead { .. } => {
                Some("choose the language model that it was made from, or `--task classify`".to_owned())
            }
            Self::Token { .. } => Some("the tokenizer is not this model's".to_owned()),
            Self::Context { context, .. } => Some(format!("shorten the text to {context} tokens")),
            Self::NotFinite { .. } => {
                Some("the weights hold NaN or infinite numbers, or the training diverged".to_owned())
            }
            Self::Setting { .. } => None,
        }
    }
}
