//! What can go wrong in training.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Training cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The loss or its gradient is NaN or infinite.
    #[error("the {what} is not finite at step {step} (learning rate {learning_rate:.2e})")]
    NotFinite {
        /// `loss` or `gradient`, say.
        what: &'static str,
        /// The step, from 1; 0 before the first.
        step: usize,
        /// The learning rate of that step.
        learning_rate: f32,
    },
    /// Nothing in the model is trained.
    #[error("no weight of the model is trained")]
    NothingTrained,
    /// A learning rate of its own is meant for leaves that no trained weight has.
    #[error("no trained weight has a factor `{leaf}`, whose learning rate is to differ")]
    NoLeaf {
        /// Its name.
        leaf: &'static str,
        /// What is trained.
        known: Vec<String>,
    },
    /// No token is to be learnt in the data of one step.
    #[error("step {step} has no token to learn")]
    NoTargets {
        /// The step, from 1.
        step: usize,
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
    /// A model without blocks is to have the features of another one.
    #[error("the model has no blocks whose features could be compared")]
    NoFeatures,
    /// Features that cannot be compared.
    #[error("features of the model are {student}, those of its teacher {teacher}")]
    Features {
        /// Of the model that is trained.
        student: String,
        /// Of the other one.
        teacher: String,
    },
    /// A saved state that is not of this model and recipe.
    #[error("`{}`: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A saved state cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] rankine_nn::Error),
    /// Shapes do not fit.
    #[error(transparent)]
    Tensor(#[from] rankine_tensor::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // Up to the first step's loss no learning rate was used.
            Self::NotFinite { what, step: 0 | 1, .. } => {
                let what = if *what == "gradient" { "gradient" } else { "loss" };
                Some(format!("the model itself gives no finite {what} on these data"))
            }
            Self::NotFinite { learning_rate, .. } => Some(format!(
                "lower the learning rate, for example to {:.1e}, or clip harder",
                learning_rate / 3.0
            )),
            Self::NothingTrained => Some("check the targets: which modules were selected".to_owned()),
            Self::NoLeaf { leaf, known } => Some(format!(
                "what is trained is called `{}`: leave the ratio of learning rates out, or take a method that \
                 trains `{leaf}`",
                known.join("`, `")
            )),
            Self::NoTargets { .. } => Some("train on prompts too, or raise the maximal length".to_owned()),
            Self::NoFeatures => Some("train without a teacher".to_owned()),
            Self::Features { .. } => {
                Some("the teacher should be the model that the trained one was made from".to_owned())
            }
            Self::Foreign { .. } => Some("start a new run in another folder".to_owned()),
            Self::Checkpoint(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Tensor(error) => error.hint(),
            Self::Setting { .. } => None,
        }
    }
}
