//! `config.json` of language models, the llama family's with old keys and new, and of encoders, as one set of fields.
//!
//! Absent keys take the values that transformers 5.23 gives them. `generation_config.json`, where there is one,
//! decides which tokens end an answer, as it does in transformers' `generate`.

mod architecture;
mod chain;
pub(crate) mod classes;
mod encoder;
mod fault;
mod learned;
mod read;
mod rope;
mod stack;
mod tensors;
#[cfg(test)]
mod tests;
mod vit;

pub use architecture::{Activation, Architecture};
pub use chain::{Chain, ChainConvolution, Sides};
pub use encoder::LayerNames;
pub use fault::Fault;
pub use rope::{Positions, Rope, RopeScaling};
pub use vit::Vit;

use crate::{Dtype, Error, Result, ThinLayers, mapping, thin};
use serde_json::Value;
use std::path::Path;

pub(crate) const CONTEXT_LIMIT: usize = 1 << 31;

/// Shape and constants of a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which model.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads of a block.
    pub heads: usize,
    /// Key and value heads of a block; divides `heads`.
    pub key_value_heads: usize,
    /// Width of the embedding and of what the head reads: `hidden_size` but in OPT-350m, which projects in and out.
    pub embedding_size: usize,
    /// Width of a head; `heads · head_dim` need not be `hidden_size`.
    pub head_dim: usize,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Longest sequence the model was made for, in tokens.
    pub context: usize,
    /// Added to the mean square in RMSNorm, to the variance in layer norm.
    pub norm_epsilon: f64,
    /// Norms stand before attention and MLP; OPT-350m has them behind the sums.
    pub norm_first: bool,
    /// A norm stands behind the last block.
    pub final_norm: bool,
    /// How a token knows its place.
    pub positions: Positions,
    /// The output head is the embedding.
    pub tied: bool,
    /// Query, key and value projections have a bias.
    pub attention_bias: bool,
    /// The output projection of the attention has a bias.
    pub output_bias: bool,
    /// The projections of the MLP have a bias.
    pub mlp_bias: bool,
    /// The function between the projections of the MLP.
    pub activation: Activation,
    /// How far back each layer sees, in tokens; one entry per layer, `None` sees everything.
    pub windows: Vec<Option<usize>>,
    /// How the weights are stored, where the file says so.
    pub dtype: Option<Dtype>,
    /// Token that starts a text.
    pub bos: Option<u32>,
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// Token that fills up texts beside longer ones.
    pub padding: Option<u32>,
    /// The whole `config.json`; null for a model that came without one.
    pub raw: Value,
}

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json` of `folder`; of thin layers, that of the whole
    /// model.
    pub fn read(folder: &Path) -> Result<Self> {
        Self::read_marked(folder).map(|(config, _)| config)
    }

    /// The same, and which layers are thin where the file says so.
    pub(crate) fn read_marked(folder: &Path) -> Result<(Self, Option<ThinLayers>)> {
        let (raw, layers) = thin::read_config(folder)?;
        let generation = mapping::read_json_if_there(&folder.join("generation_config.json"))?;
        let config = Self::parse(&folder.join("config.json"), raw, generation.as_ref())?;
        Ok((config, layers))
    }

    /// From the parsed files; `path` is for messages.
    pub fn parse(path: &Path, raw: Value, generation: Option<&Value>) -> Result<Self> {
        let fault = |fault| Error::Config { path: path.to_owned(), fault };
        let config = read::read(raw, generation).map_err(fault)?;
        config.check(path)?;
        Ok(config)
    }

    /// Whether the sizes fit each other and are those of a model; `path` is for messages.
    pub fn check(&self, path: &Path) -> Result<()> {
        self.faultless().map_err(|fault| Error::Config { path: path.to_owned(), fault })
    }

    fn faultless(&self) -> Result<(), Fault> {
        let key = |key| self.architecture.key(key);
        size(key("hidden_size"), self.hidden_size, 1 << 20)?;
        size("word_embed_proj_dim", self.embedding_size, 1 << 20)?;
        size(key("intermediate_size"), self.intermediate_size, 1 << 24)?;
        size(key("num_hidden_layers"), self.layers, read::LAYER_LIMIT)?;
        size(key("num_attention_heads"), self.heads, 1 << 16)?;
        size("num_key_value_heads", self.key_value_heads, 1 << 16)?;
        size("head_dim", self.head_dim, 1 << 14)?;
        size("vocab_size", self.vocabulary, 1 << 26)?;
        size(key("max_position_embeddings"), self.context, CONTEXT_LIMIT)?;
        multiple(("num_attention_heads", self.heads), ("num_key_value_heads", self.key_value_heads))?;
        rope::positive(key("rms_norm_eps"), self.norm_epsilon)?;
        if self.windows.len() != self.layers {
            return Err(Fault::LayerTypes { found: self.windows.len(), layers: self.layers });
        }
        if self.windows.contains(&Some(0)) {
            return Err(Fault::Size { key: "sliding_window", found: 0, limit: CONTEXT_LIMIT });
        }
        self.positions.check(self.head_dim)
    }

    /// The rotary positions, where the model has such.
    pub fn rope(&self) -> Option<&Rope> {
        match &self.positions {
            Positions::Rotary(rope) => Some(rope),
            Positions::Learned { .. } => None,
        }
    }

    /// A `config.json` that every version of transformers reads: the file as it was, with `dtype`, `tied` and
    /// `vocabulary` as they are now; composed from the fields for a model that came without one.
    pub fn to_json(&self) -> Value {
        let mut json = match &self.raw {
            Value::Object(raw) => Value::Object(raw.clone()),
            _ => self.compose(),
        };
        json["tie_word_embeddings"] = self.tied.into();
        json["vocab_size"] = self.vocabulary.into();
        set_dtype(&mut json, self.dtype);
        json
    }

    /// Only GGUF files come without one, and only those of the llama family are read.
    fn compose(&self) -> Value {
        let window = self.windows.iter().flatten().next();
        let kind = |window: &Option<_>| if window.is_some() { "sliding_attention" } else { "full_attention" };
        let mut json = serde_json::json!({
            "architectures": [self.architecture.class()],
            "model_type": self.architecture.name(),
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.norm_epsilon,
            "rope_theta": self.rope().map(|rope| rope.theta),
            "rope_scaling": self.rope().map(|rope| rope.scaling.to_json()),
            "hidden_act": "silu",
            "sliding_window": window,
            "bos_token_id": self.bos,
            "eos_token_id": match self.eos.as_slice() {
                [one] => Value::from(*one),
                [] => Value::Null,
                many => many.into(),
            },
            "pad_token_id": self.padding,
        });
        match self.architecture {
            Architecture::Llama => {
                json["attention_bias"] = self.attention_bias.into();
                json["mlp_bias"] = self.mlp_bias.into();
            }
            Architecture::Mistral | Architecture::Gpt2 | Architecture::Opt => {}
            Architecture::Bert | Architecture::Roberta | Architecture::Distilbert => {}
            Architecture::Qwen2 | Architecture::Qwen3 => {
                json["use_sliding_window"] = window.is_some().into();
                json["layer_types"] = self.windows.iter().map(kind).collect();
                if self.architecture == Architecture::Qwen3 {
                    json["attention_bias"] = self.attention_bias.into();
                }
            }
        }
        json
    }
}

pub(crate) fn size(key: &'static str, found: usize, limit: usize) -> Result<(), Fault> {
    if (1..=limit).contains(&found) { Ok(()) } else { Err(Fault::Size { key, found, limit }) }
}

fn multiple(
    (key, found): (&'static str, usize),
    (divisor_key, divisor): (&'static str, usize),
) -> Result<(), Fault> {
    if found.is_multiple_of(divisor) {
        Ok(())
    } else {
        Err(Fault::Multiple { key, found, divisor_key, divisor })
    }
}

/// Says in which type the weights are stored, in the words that the file has for it.
pub(crate) fn set_dtype(json: &mut Value, dtype: Option<Dtype>) {
    if let Some(name) = dtype.and_then(dtype_name) {
        let new = json.get("dtype").is_some();
        if json.get("torch_dtype").is_some() || !new {
            json["torch_dtype"] = name.into();
        }
        if new {
            json["dtype"] = name.into();
        }
    }
}

fn dtype_name(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::F64 => Some("float64"),
        Dtype::F32 => Some("float32"),
        Dtype::F16 => Some("float16"),
        Dtype::Bf16 => Some("bfloat16"),
        _ => None,
    }
}
