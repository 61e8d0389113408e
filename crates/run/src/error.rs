//! What can go wrong in a run.

use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A run cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe that cannot be read; the message shows the line with a caret.
    #[error("recipe: {message}")]
    Recipe {
        /// What and where.
        message: String,
    },
    /// A recipe that asks for something impossible.
    #[error("recipe: `{key}` should be {expected}; found {found}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A value of a recipe's file outside its range; the message shows the line with a caret.
    #[error(
        "recipe: `{}`: value out of range at {place}\n`{key}` should be {expected}; found {found}",
        path.display()
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// Line and column, and the line with a caret.
        place: String,
        /// The key.
        key: String,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The folder of the run is not empty.
    #[error("`{}` exists and is not empty", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// Whether it holds a run that can be gone on with.
        resumable: bool,
    },
    /// The output cannot be a folder, or not be written.
    #[error("`{}`: no folder can be written here: {source}", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data are not those that the run was started with.
    #[error("`{}` was started with other data", path.display())]
    OtherData {
        /// The folder of the run.
        path: PathBuf,
    },
    /// There is nothing to resume.
    #[error("`{}` has no saved state to resume from", path.display())]
    NoState {
        /// The folder.
        path: PathBuf,
    },
    /// The recipe of the folder is another one.
    #[error("`{}` was started with another recipe: `{key}` differs", path.display())]
    OtherRecipe {
        /// The folder.
        path: PathBuf,
        /// The first key that differs.
        key: String,
    },
    /// The method starts from the inputs of the weights, and there are no data to see them with.
    #[error("`{method}` starts from what the weights of the model see: it needs data to calibrate on")]
    NoCalibrationData {
        /// The method.
        method: &'static str,
    },
    /// A plain text to calibrate on with fewer tokens than the model is to see at once.
    #[error("`{}` has {tokens} tokens, fewer than one window of {window}", path.display())]
    ShortCalibration {
        /// The text.
        path: PathBuf,
        /// Its tokens.
        tokens: usize,
        /// Tokens of a window.
        window: usize,
    },
    /// The adapter stands on the residual base of its run, and another model was given.
    #[error("the adapter `{}` was trained on the residual base `{}`", adapter.display(), residual.display())]
    OtherBase {
        /// The adapter.
        adapter: PathBuf,
        /// Its base.
        residual: PathBuf,
    },
    /// A model that is to classify without a head for it.
    #[error("`{}` has no classification head", path.display())]
    NoHead {
        /// The model.
        path: PathBuf,
    },
    /// The tokenizer of a model cannot be made.
    #[error("`{}`: {source}", path.display())]
    Tokenizer {
        /// The file that describes it.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<rankine_data::Error>,
    },
    /// Images of other classes than a network tells apart, whose names nobody knows.
    #[error(
        "`{}` has {found} classes; the network tells {head} apart, and what they are called is not known",
        path.display()
    )]
    ImageClasses {
        /// The images.
        path: PathBuf,
        /// Their classes.
        found: usize,
        /// Those of the network.
        head: usize,
    },
    /// The names of the classes cannot be read.
    #[error("`{}`: {reason}", path.display())]
    Classes {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What was picked in a search cannot be read.
    #[error("`{}`: {reason}", path.display())]
    Modules {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Weights that are to be replaced by Fisher information, and are none.
    #[error("`{}` holds no Fisher information, so it is not replaced", path.display())]
    NotFisher {
        /// The file.
        path: PathBuf,
    },
    /// What a model gives on an example of the data cannot be derived.
    #[error("the {what} is not finite on example {example} of the data")]
    NotFinite {
        /// `loss` or `gradient`.
        what: &'static str,
        /// Which, from 1.
        example: usize,
    },
    /// Reading or writing failed.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Training stopped; what was saved before stays.
    #[error("{source}")]
    Stopped {
        /// Why.
        source: Box<rankine_train::Error>,
        /// The last saved state, if there is one.
        last_good: Option<PathBuf>,
    },
    /// The adapter's start was taken out of the base at random and cannot be made again.
    #[error(transparent)]
    Surgery(#[from] rankine_surgery::Error),
    /// A model file is at fault.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// The data are at fault.
    #[error(transparent)]
    Data(#[from] rankine_data::Error),
    /// The method is at fault.
    #[error(transparent)]
    Method(Box<rankine_method::Error>),
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] rankine_nn::Error),
    /// The loop is at fault.
    #[error(transparent)]
    Train(Box<rankine_train::Error>),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] rankine_report::Error),
    /// The model cannot be looked into.
    #[error(transparent)]
    Analyze(#[from] rankine_analyze::Error),
    /// A spectrum cannot be computed.
    #[error(transparent)]
    Linalg(#[from] rankine_linalg::Error),
    /// A recipe that cannot be written.
    #[error(transparent)]
    Toml(#[from] toml::ser::Error),
}

impl From<rankine_method::Error> for Error {
    fn from(error: rankine_method::Error) -> Self {
        Self::Method(Box::new(error))
    }
}

impl From<rankine_train::Error> for Error {
    fn from(error: rankine_train::Error) -> Self {
        Self::Train(Box::new(error))
    }
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Exists { resumable: true, .. } => "`--resume` goes on with it, `--force` replaces it",
            Self::Exists { .. } => "`--force` replaces it; or choose another `--output`",
            Self::Unwritable { .. } => "choose another `--output`",
            Self::OtherData { .. } => "bring the data back, or start a new run with another `--output`",
            Self::NoState { path } if path.exists() => {
                "nothing was saved yet: start it anew with `--force`, without `--resume`"
            }
            Self::NoState { .. } => "start it without `--resume`",
            Self::OtherRecipe { key, .. } if key == "train.steps" || key == "train.epochs" => {
                "the schedule depends on the number of steps: resume with the old one, or start a new run"
            }
            Self::OtherRecipe { .. } => {
                "resume with the folder's own `recipe.toml`, or choose another `--output`"
            }
            Self::NoCalibrationData { .. } => {
                "give some of what is to be learnt with `--data`: a few hundred lines or images are enough"
            }
            Self::ShortCalibration { .. } => {
                "give a longer text, or shorter windows with `--calibration-length`"
            }
            Self::OtherBase { residual, .. } => {
                return Some(format!(
                    "give `{0}` as the model; where it lies elsewhere now, write its place into `base_model_name_or_path` of \
                     `adapter_config.json`; `rankine adapter convert` makes an adapter of the original",
                    residual.display()
                ));
            }
            Self::Tokenizer { source, .. } => {
                let damaged =
                    "the file is damaged or of another program: fetch it again, or save the tokenizer anew";
                return source.hint().or_else(|| Some(damaged.to_owned()));
            }
            Self::NoHead { .. } => "train one with `rankine train`, or give an adapter that brings it",
            Self::ImageClasses { .. } => {
                "give the adapter that was trained for these classes, or their names as a list in `classes.json` beside \
                 the weights"
            }
            Self::Classes { .. } => "it should be a list of names in JSON",
            Self::NotFisher { .. } => "choose another output, or remove this one yourself",
            Self::NotFinite { .. } => "the weights are damaged, or the example is none for this model",
            Self::Modules { .. } => "the file is damaged: start the run anew with `--force`",
            Self::Stopped { source, last_good } => return Some(stopped(source, last_good.as_deref())),
            Self::Surgery(error) => return error.hint(),
            Self::Checkpoint(error) => return error.hint(),
            Self::Data(error) => return error.hint(),
            Self::Method(error) => return error.hint(),
            Self::Model(error) => return error.hint(),
            Self::Train(error) => return error.hint(),
            Self::Report(error) => return error.hint(),
            Self::Analyze(error) => return error.hint(),
            Self::Linalg(error) => return error.hint(),
            Self::Value { key, .. } => {
                let (method, _) = key.strip_prefix("method.")?.split_once('.')?;
                return Some(format!("`rankine methods {method}` shows the settings of the method"));
            }
            Self::Recipe { .. } | Self::Setting { .. } | Self::Io { .. } | Self::Toml(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Of a training that stopped: what can be done, and where what was saved is.
fn stopped(source: &rankine_train::Error, last_good: Option<&Path>) -> String {
    let saved = match last_good {
        Some(path) => format!("the last good weights are in `{}`", path.display()),
        None => "nothing was saved yet".to_owned(),
    };
    source.hint().into_iter().chain([saved]).collect::<Vec<_>>().join("; ")
}
