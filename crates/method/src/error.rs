//! What can go wrong when a method takes over a model.

use crate::Choice;
use rankine_checkpoint::nearest;
use rankine_nn::Kind;
use std::collections::BTreeSet;

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
    /// What is wrong with the settings of a method.
    #[error("{source}")]
    Of {
        /// The method.
        method: &'static str,
        /// What is wrong.
        source: Box<Self>,
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
    #[error("`{method}` does not take over `{name}`: it is {}", called(*found))]
    NotAdaptable {
        /// Its name.
        name: String,
        /// The method.
        method: &'static str,
        /// What its weight is; `None` where it has none of its own.
        found: Option<Kind>,
    },
    /// A method trains biases, and there is none.
    #[error("{place} has no bias, and this method trains nothing else")]
    NoBias {
        /// A module, or the model.
        place: String,
    },
    /// What was learnt at a weight is not a low-rank update.
    #[error("`{path}`: what was learnt is not a low-rank update")]
    NotLowRank {
        /// The weight.
        path: String,
    },
    /// What was learnt at a weight stands beside its quantised value.
    #[error(
        "`{path}`: the branch stands beside the quantised weight; beside the original it is another model"
    )]
    Quantized {
        /// The weight.
        path: String,
    },
    /// A method starts from the inputs of a weight, and nothing was seen of them.
    #[error("`{path}`: this method starts from the inputs of a weight, and none were seen")]
    NotSeen {
        /// The weight.
        path: String,
    },
    /// A method starts from the inputs of a weight, and these are not the same for all of it.
    #[error(
        "`{path}` is a convolution in {groups} groups with inputs of their own; this method starts from those of a whole weight"
    )]
    Grouped {
        /// The weight.
        path: String,
        /// Its groups.
        groups: usize,
    },
    /// Too few inputs of a weight were seen.
    #[error(
        "`{path}`: {components} directions of variance need more than {components} inputs; {rows} were seen"
    )]
    TooFewRows {
        /// The weight.
        path: String,
        /// Rows of input that were seen.
        rows: usize,
        /// Directions that are looked for.
        components: usize,
    },
    /// The inputs of a weight are at fault.
    #[error("inputs of `{path}`: {source}")]
    Inputs {
        /// The weight.
        path: String,
        /// Why.
        source: rankine_linalg::Error,
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
    /// A file is at fault.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] rankine_nn::Error),
}

impl Error {
    /// The same, of the settings of a method.
    pub(crate) fn of(self, method: &'static str) -> Self {
        Self::Of { method, source: Box::new(self) }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, known } => {
                let there = format!("there are: {}", known.join(", "));
                Some(match nearest(name, known.iter().copied(), 1).pop() {
                    Some(nearest) => format!("did you mean `{nearest}`? {there}"),
                    None => there,
                })
            }
            Self::Rank { shape, .. } => Some(format!(
                "choose a rank of at most {}, leave the module out of the targets, or give every matrix the most it can have \
                 with `--cap-rank` (`targets.cap_rank = true`)",
                shape[0].min(shape[1])
            )),
            Self::Module { name, known } => Some(modules_hint(name, known)),
            Self::NotAdaptable { name, found: Some(Kind::Convolution), .. } => Some(format!(
                "leave `{name}` out of the targets; convolutions are taken over by: {}",
                of_convolutions().join(", ")
            )),
            Self::NotAdaptable { name, .. } => Some(format!(
                "leave `{name}` out of the targets; an embedding is trained as a whole with `targets.whole = [\"embed_tokens\"]`"
            )),
            Self::NoBias { .. } => Some(
                "models of the llama family have none, but for some maps of qwen2; choose another method, such as `lora`"
                    .to_owned(),
            ),
            Self::NotLowRank { .. } => Some("merge the run instead of exporting its adapter".to_owned()),
            Self::Quantized { .. } => Some(
                "set `keep_residual = true`, or `--keep-residual`: the quantised base is then written beside it"
                    .to_owned(),
            ),
            Self::NotSeen { .. } => Some(
                "give data to calibrate on (`--data FILE`), and leave weights that they do not reach out of the targets"
                    .to_owned(),
            ),
            Self::Grouped { .. } => {
                Some("leave it out of the targets; `lora` and `flora` take it over without its inputs".to_owned())
            }
            Self::TooFewRows { .. } => {
                Some("give a longer calibration text or more images, or choose a lower rank or rho".to_owned())
            }
            Self::Inputs { .. } => {
                Some("a model that makes such numbers is damaged: fetch or save it again".to_owned())
            }
            Self::Decomposition { source, .. } => source.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::Tensor(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Of { method, source } if matches!(**source, Self::Read(_) | Self::Setting { .. }) => {
                Some(format!("`rankine methods {method}` shows the settings of the method"))
            }
            Self::Of { source, .. } => source.hint(),
            Self::Read(_) | Self::Setting { .. } => {
                Some("`rankine methods`, with the name of the method, shows its settings".to_owned())
            }
            Self::Write(_) => None,
        }
    }
}

/// Names in a hint.
const NAMES: usize = 5;

/// The modules that are called most like the one that is not there, or some of them, and how many there are.
fn modules_hint(name: &str, known: &[String]) -> String {
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    let endings = known.iter().flat_map(|&path| [path, path.rsplit_once('.').map_or(path, |(_, last)| last)]);
    let like = nearest(name, endings, NAMES);
    let (what, names) = match like.is_empty() {
        true => ("such as", known.iter().take(NAMES).map(|&path| path.to_owned()).collect()),
        false => ("the nearest names are", like),
    };
    format!("the model has {} modules, {what} `{}`", known.len(), names.join("`, `"))
}

fn called(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Linear | Kind::Head) => "a linear map",
        Some(Kind::Convolution) => "a convolution",
        Some(Kind::Embedding) => "an embedding",
        Some(Kind::Norm) => "a norm",
        Some(Kind::Bias) => "a bias",
        None => "no weight of its own, as a head that is the embedding",
    }
}

/// Names of the methods that take over convolutions.
fn of_convolutions() -> Vec<&'static str> {
    let mut all = Choice::all();
    all.retain(|choice| choice.method().takes(Kind::Convolution));
    all.iter().map(|choice| choice.card().name).collect()
}
