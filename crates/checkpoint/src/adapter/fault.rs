//! What makes an adapter unusable.

use super::Initialisation;
use super::keys::{PREFIX, parse};
use crate::error::nearest_hint;
use crate::fields::WrongValue;

/// Why an adapter cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The folder has no `adapter_config.json`.
    #[error("no `adapter_config.json` in this folder")]
    NoConfig {
        /// Subfolders that have one.
        nested: Vec<String>,
    },
    /// The path leads to a file.
    #[error("a file, not an adapter's folder")]
    File,
    /// The folder has no weights.
    #[error("no `adapter_model.safetensors` in this folder")]
    NoWeights,
    /// The configuration does not say what it configures.
    #[error("no key `peft_type` says what kind of adapter this is")]
    NoType,
    /// Another kind of adapter than LoRA.
    #[error("adapters of type `{found}` cannot be used as they are; LORA and LN_TUNING can")]
    Type {
        /// The file's `peft_type`.
        found: String,
    },
    /// A key holds something else than it should.
    #[error(transparent)]
    Value(#[from] WrongValue),
    /// A variant of LoRA that is no plain change of weights or is not implemented.
    #[error("`{key}`: {what} is not supported")]
    Feature {
        /// The key that turns it on.
        key: &'static str,
        /// Its name.
        what: &'static str,
    },
    /// An unknown way to initialise.
    #[error("`init_lora_weights`: `{found}` is not known")]
    Initialisation {
        /// The file's value.
        found: String,
    },
    /// A rank of zero or beyond any matrix.
    #[error("`{key}`: rank {found} is not between 1 and {limit}")]
    Rank {
        /// `r` or the key of `rank_pattern`.
        key: String,
        /// The rank.
        found: f64,
        /// The largest that is accepted.
        limit: usize,
    },
    /// An alpha that no f32 can hold.
    #[error("`{key}`: {found} is too large to compute with")]
    Alpha {
        /// `lora_alpha` or the key of `alpha_pattern`.
        key: String,
        /// The alpha.
        found: f64,
    },
    /// An alpha of zero.
    #[error("`{key}`: a scale of zero leaves nothing of the change")]
    NoScale {
        /// `lora_alpha` or the key of `alpha_pattern`.
        key: String,
    },
    /// A tensor with an infinity or a NaN in it.
    #[error("tensor `{key}` holds {value}, which is no finite number")]
    NotFinite {
        /// Its key.
        key: String,
        /// The first such number.
        value: f32,
    },
    /// The targets contradict themselves.
    #[error(transparent)]
    Targets(#[from] TargetFault),
    /// The tensors are not those that configuration and base model call for.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoConfig { nested } if !nested.is_empty() => {
                return Some(format!("there is one in `{}`: name that folder", nested.join("`, `")));
            }
            Self::File => {
                "name the folder in which `adapter_config.json` and `adapter_model.safetensors` lie"
            }
            Self::NoConfig { .. } | Self::NoWeights => "name the folder that peft's `save_pretrained` wrote",
            Self::NoType => "add `\"peft_type\": \"LORA\"` if it is a LoRA adapter",
            Self::Type { found } => return Some(super::types::hint(found)),
            Self::Value(_) | Self::Rank { .. } | Self::Alpha { .. } => {
                "compare with the `adapter_config.json` that peft wrote"
            }
            Self::NoScale { .. } => "set it to the alpha of the training: often the rank, or twice that",
            Self::NotFinite { .. } => {
                "the training diverged or the file is damaged: use an adapter that was saved earlier, or train with a \
                 smaller learning rate"
            }
            Self::Feature { .. } => "merge it in Python with peft's `merge_and_unload`, where peft can",
            Self::Initialisation { .. } => {
                return Some(format!(
                    "known are true, false, {}; if the base weights were not altered by it, set the key to true: the factors \
                     are in the file",
                    Initialisation::words().join(", ")
                ));
            }
            Self::Targets(fault) => return fault.hint(),
            Self::Mismatch(mismatch) => return Some(mismatch.hint()),
        };
        Some(hint.to_owned())
    }
}

/// Tensors of an adapter file that do not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Keys that configuration and base model call for, and that are not there.
    pub missing: Vec<String>,
    /// Keys that belong to nothing.
    pub unexpected: Vec<String>,
    /// Keys whose tensor has another shape.
    pub misshapen: Vec<Misshapen>,
    /// The first adapted module that the base has not, and the module whose name is nearest.
    pub nearest: Option<[String; 2]>,
}

/// A tensor of another shape than it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its key.
    pub key: String,
    /// The shape it should have.
    pub expected: Vec<usize>,
    /// The shape it has.
    pub found: Vec<usize>,
}

/// How many keys of each list a message shows.
const SHOWN: usize = 8;

impl Mismatch {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    fn hint(&self) -> String {
        let resized = |misshapen: &Misshapen| {
            misshapen.key.contains("embed_tokens") || misshapen.key.contains("lm_head")
        };
        let unprefixed =
            |key: &String| !key.starts_with(PREFIX) && parse(&format!("{PREFIX}{key}")).is_some();
        let hint = if self.unexpected.iter().any(unprefixed) {
            "the keys lack the prefix `base_model.model.`: save the adapter with peft's `save_pretrained`, or put the \
             prefix before every key"
        } else if self.misshapen.iter().any(resized) {
            "the vocabulary was resized before training: use the base model with the same vocabulary"
        } else if !self.misshapen.is_empty() {
            "this adapter was made for another base model, or its ranks are not those of its configuration"
        } else {
            "this adapter was made for another base model, or by a version of transformers with other names"
        };
        match &self.nearest {
            Some([module, nearest]) => {
                format!("{hint}; of the base's names, `{nearest}` is nearest to `{module}`")
            }
            None => hint.to_owned(),
        }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { missing, unexpected, misshapen, .. } = self;
        let counts =
            [(missing.len(), "missing"), (unexpected.len(), "unexpected"), (misshapen.len(), "misshapen")];
        let there = counts.iter().filter(|(count, _)| 0 < *count);
        let counts: Vec<_> = there.map(|(count, what)| format!("{count} {what}")).collect();
        write!(formatter, "the tensors do not fit: {}", counts.join(", "))?;
        let misshapen: Vec<_> = misshapen
            .iter()
            .map(|Misshapen { key, expected, found }| format!("`{key}` is {found:?}, not {expected:?}"))
            .collect();
        let quoted = |keys: &[String]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
        let lists =
            [("missing", quoted(missing)), ("unexpected", quoted(unexpected)), ("misshapen", misshapen)];
        for (what, lines) in lists {
            for line in lines.iter().take(SHOWN) {
                write!(formatter, "\n  {what}: {line}")?;
            }
            if SHOWN < lines.len() {
                write!(formatter, "\n  {what}: and {} more", lines.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

/// Why the modules to adapt could not be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetFault {
    /// No module of the model is targeted.
    #[error("the targets `{wanted}` match no module of the model")]
    NoMatch {
        /// What was asked for.
        wanted: String,
        /// The most similar module names.
        nearest: Box<[String]>,
        /// Last parts of the names of all modules that can be adapted.
        known: Box<[String]>,
    },
    /// Every targeted module is excluded or saved whole.
    #[error("every module that `{wanted}` matches is excluded or among `modules_to_save`")]
    AllExcluded {
        /// What was asked for.
        wanted: String,
    },
    /// A target that is no matrix.
    #[error("the target `{path}` is {what}; only linear layers, convolutions and embeddings can be adapted")]
    Unsupported {
        /// The module.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A regular expression that does not compile or takes too long.
    #[error("the regular expression `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// Layers were chosen although the targets are one regular expression.
    #[error("`{key}` has no meaning with targets that are a regular expression or `all-linear`")]
    LayersWithPattern {
        /// `layers_to_transform` or `layers_pattern`.
        key: &'static str,
    },
    /// A layer pattern without layers.
    #[error("there is no layer {layer}: the model has {count}")]
    NoLayer {
        /// Its index.
        layer: usize,
        /// How many layers there are.
        count: usize,
    },
    /// A pattern for layers without a choice of layers.
    #[error("`layers_pattern` needs `layers_to_transform`")]
    LayersMissing,
    /// No targets were given and the model type has no usual ones.
    #[error("no targets were given, and for `{model_type}` there are no usual ones")]
    NoDefault {
        /// The model's type; empty if unknown.
        model_type: String,
    },
}

/// Names in a hint.
const NAMES: usize = 5;

/// The names that are most like those that match nothing, or some of all, and how many there are.
fn known_hint(nearest: &[String], known: &[String]) -> Option<String> {
    let there = match known.len() {
        0 => "the model has no module that can be adapted".to_owned(),
        1 => "the model's modules have one name".to_owned(),
        count => format!("the model's modules have {count} names"),
    };
    if let Some(nearest) = nearest_hint(&nearest[..nearest.len().min(NAMES)]) {
        return Some(format!("{nearest}; {there}"));
    }
    let some: Vec<_> = known.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    let some = if known.is_empty() { String::new() } else { format!(", such as {}", some.join(", ")) };
    Some(format!("{there}{some}"))
}

impl TargetFault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoMatch { nearest, known, .. } => return known_hint(nearest, known),
            Self::AllExcluded { wanted } if wanted == "all-linear" => {
                "name other modules, such as convolutions, or exclude less"
            }
            Self::AllExcluded { .. } => "exclude less",
            Self::Unsupported { .. } => {
                "name the projections inside it, such as `q_proj`, or use `all-linear`"
            }
            Self::Pattern { .. } => {
                "the syntax is that of Python's `re`; it must match the whole module name"
            }
            Self::LayersWithPattern { .. } => {
                "write the layers into the expression: `.*layers\\.(0|1)\\..*q_proj`"
            }
            Self::NoLayer { .. } => "layers are counted from 0",
            Self::LayersMissing => "say which layers, or leave the pattern out",
            Self::NoDefault { .. } => "name the targets, such as `q_proj` and `v_proj`, or use `all-linear`",
        };
        Some(hint.to_owned())
    }
}
