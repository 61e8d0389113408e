//! What can go wrong in an experiment.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An experiment cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No experiment has that name.
    #[error("no experiment is called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A data set that the experiment needs is not there.
    #[error("{what} is not there: no file `{}`", path.display())]
    Missing {
        /// The data set.
        what: &'static str,
        /// The file that was looked for.
        path: PathBuf,
        /// How to get it.
        remedy: &'static str,
    },
    /// Images and labels that do not belong together.
    #[error("`{}`: {expected}; found sizes {found:?}", path.display())]
    Sizes {
        /// The file.
        path: PathBuf,
        /// What was expected, in words.
        expected: String,
        /// The sizes it has.
        found: Vec<usize>,
    },
    /// A selection of classes without an image.
    #[error("no image of the classes {classes:?}")]
    NoImages {
        /// The classes.
        classes: Vec<u8>,
    },
    /// The loss is NaN or infinite.
    #[error("the loss is not finite at step {step} (learning rate {learning_rate:e})")]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// The learning rate.
        learning_rate: f32,
    },
    /// The language model cannot be loaded.
    #[error("`{name}`: {source}")]
    Language {
        /// The model.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with finished runs cannot be read.
    #[error("`{}`: {reason}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model cannot be opened, or a file not be written.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// The data are at fault.
    #[error(transparent)]
    Data(#[from] rankine_data::Error),
    /// The method is at fault.
    #[error(transparent)]
    Method(#[from] rankine_method::Error),
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] rankine_nn::Error),
    /// The loop is at fault.
    #[error(transparent)]
    Train(#[from] rankine_train::Error),
    /// Shapes do not fit.
    #[error(transparent)]
    Tensor(#[from] rankine_tensor::Error),
    /// A network cannot be looked into.
    #[error(transparent)]
    Analyze(#[from] rankine_analyze::Error),
    /// A spectrum cannot be computed.
    #[error(transparent)]
    Linalg(#[from] rankine_linalg::Error),
    /// A problem cannot be solved.
    #[error(transparent)]
    Solve(#[from] rankine_solve::Error),
    /// A matrix cannot be made smaller.
    #[error(transparent)]
    Surgery(#[from] rankine_surgery::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Missing { remedy, .. } => Some((*remedy).to_owned()),
            Self::Sizes { .. } => Some("images and labels come in pairs: fetch both files again".to_owned()),
            Self::Kept { .. } => Some("throw the file away: its runs are made again".to_owned()),
            Self::Checkpoint(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Method(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Tensor(error) => error.hint(),
            Self::Analyze(error) => error.hint(),
            Self::Linalg(error) => error.hint(),
            Self::Solve(error) => error.hint(),
            Self::Surgery(error) => error.hint(),
            Self::NoImages { .. } | Self::NotFinite { .. } | Self::Language { .. } => None,
        }
    }
}
