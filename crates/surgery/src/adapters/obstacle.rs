//! What an adapter may have that a GGUF adapter cannot.

use crate::{Error, Result};
use rankine_checkpoint::adapter::Origin;
use rankine_checkpoint::{Adapter, Checkpoint, ends};

/// Why something of an adapter is not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A family that is not written.
    #[error("models of this type are not exported to GGUF")]
    Family,
    /// A model that does not write texts.
    #[error(
        "llama.cpp takes a LoRA beside a language model in GGUF, and this base is an encoder or sees images"
    )]
    NoLanguageModel,
    /// Factors that stand on an altered base.
    #[error("the factors stand on a base that their initialisation altered, which llama.cpp does not repeat")]
    AlteredBase,
    /// The lengths of DoRA.
    #[error("a GGUF adapter has no place for the magnitudes of DoRA")]
    Magnitudes,
    /// A bias that was trained, or is added to.
    #[error("a GGUF adapter has no place for a bias")]
    Bias,
    /// A module that was trained whole.
    #[error("a GGUF adapter has no place for a whole tensor")]
    Whole,
    /// New rows of an embedding.
    #[error("a GGUF adapter has no place for new rows")]
    Rows,
    /// One end of a tied model: llama.cpp has one tensor for both, which it looks for under the embedding's name and multiplies
    /// with the embedding's factors as if they were the head's.
    #[error("embedding and head of the base are one tensor, which llama.cpp cannot adapt")]
    Tied,
    /// A module without a tensor there.
    #[error("llama.cpp has no tensor that this change could be added to")]
    Module,
}

impl Obstacle {
    /// What the user can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Family => "llama, mistral, qwen2 and qwen3 are; merge the adapter into the base instead",
            Self::NoLanguageModel => {
                "merge the adapter into its base with `rankine merge`, and use the merged model in transformers or torch"
            }
            Self::AlteredBase => {
                "make a plain LoRA of it first, with `rankine adapter convert`; what cannot be found again is given with \
                 `--initial` or `--residual`"
            }
            Self::Magnitudes => {
                "merge it with `rankine merge`, or make a plain LoRA of it first, with `rankine adapter convert --rank N`"
            }
            Self::Bias | Self::Whole | Self::Rows | Self::Tied | Self::Module => {
                "merge the adapter into its base with `rankine merge`, and use the merged model"
            }
        }
    }

    /// The error that names `name`.
    pub(super) fn at(self, name: &str) -> Error {
        Error::NotInGguf { name: name.to_owned(), obstacle: self }
    }
}

/// An error for the first thing in `adapter`, which fits `base`, that cannot be exported. The base's own tensor beside its
/// factors, which peft saves along with an adapted embedding, can: it is passed over.
pub(super) fn check(base: &Checkpoint, adapter: &Adapter) -> Result<()> {
    if adapter.config.initialisation.alters_base() {
        return Err(Obstacle::AlteredBase.at("init_lora_weights"));
    }
    for (path, low_rank) in &adapter.low_rank {
        if low_rank.magnitude.is_some() {
            return Err(Obstacle::Magnitudes.at(path));
        }
        if low_rank.output_bias.is_some() {
            return Err(Obstacle::Bias.at(path));
        }
    }
    for (name, replacement) in &adapter.replaced {
        let adapted = |path: &str| adapter.low_rank.contains_key(path);
        match replacement.origin {
            Origin::Base if name.strip_suffix(".weight").is_some_and(adapted) => {}
            Origin::Bias => return Err(Obstacle::Bias.at(name)),
            Origin::Base | Origin::Module => return Err(Obstacle::Whole.at(name)),
        }
    }
    if let Some(path) = adapter.new_rows.keys().next() {
        return Err(Obstacle::Rows.at(path));
    }
    let tied = ends::tied(base.tensors().infos()).into_iter().flat_map(|embedding| [embedding, ends::HEAD]);
    let mut tied = tied.filter_map(|name| name.strip_suffix(".weight"));
    match tied.find(|path| adapter.low_rank.contains_key(*path)) {
        Some(path) => Err(Obstacle::Tied.at(path)),
        None => Ok(()),
    }
}
