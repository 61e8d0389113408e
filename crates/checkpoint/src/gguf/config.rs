//! From a GGUF file's metadata to [`Config`].
//!
//! What Hugging Face keeps in `config.json` is partly a key here (`ARCHITECTURE.context_length`) and partly seen from
//! the tensors: biases from their presence, a tied head from the absence of `output.weight`, the size of the
//! vocabulary from the embedding.

use super::Fault;
use super::header::Header;
use super::rope::rope;
use super::value::{Metadata, required};
use super::vocabulary::token;
use crate::config::{Activation, Architecture, Positions};
use crate::{Config, Dtype};

/// Which member of the llama family, by name; mistral and smollm call themselves `llama` in GGUF files.
pub(super) fn architecture(metadata: &Metadata) -> Result<Architecture, Fault> {
    let key = "general.architecture";
    match required(key, metadata.string(key)?)? {
        "llama" => Ok(Architecture::Llama),
        "qwen2" => Ok(Architecture::Qwen2),
        "qwen3" => Ok(Architecture::Qwen3),
        found => Err(Fault::Architecture { found: found.chars().take(60).collect() }),
    }
}

/// `rope_factors` are the numbers of `rope_freqs.weight`, where there is one.
pub(super) fn from_header(header: &Header, rope_factors: Option<&[f32]>) -> Result<Config, Fault> {
    let keys = Keys::new(&header.metadata)?;
    let window = keys.optional("attention.sliding_window")?.filter(|&window| window != 0);
    let architecture = match (architecture(&header.metadata)?, window) {
        (Architecture::Llama, Some(_)) => mistral(header, &keys)?,
        (named, _) => named,
    };
    keys.refuse_features()?;
    let layers = layers(header, &keys)?;
    let (hidden_size, heads) = (keys.count("embedding_length")?, keys.count("attention.head_count")?);
    let head_dim = keys.head_dim(hidden_size, heads)?;
    let vocabulary = vocabulary(header)?;
    let there = |name: &str| header.tensors.contains_key(name);
    let special = |key| token(&header.metadata, key, vocabulary);
    Ok(Config {
        architecture,
        hidden_size,
        intermediate_size: keys.count("feed_forward_length")?,
        layers,
        heads,
        key_value_heads: keys.optional("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        vocabulary,
        context: keys.count("context_length")?,
        norm_epsilon: keys.epsilon()?,
        positions: Positions::Rotary(rope(&header.metadata, keys.architecture, head_dim, rope_factors)?),
        embedding_size: hidden_size,
        norm_first: true,
        final_norm: true,
        tied: !there("output.weight"),
        attention_bias: there("blk.0.attn_q.bias"),
        output_bias: there("blk.0.attn_output.bias"),
        mlp_bias: there("blk.0.ffn_up.bias"),
        activation: Activation::Silu,
        windows: vec![window; layers],
        dtype: dtype(header),
        bos: special("tokenizer.ggml.bos_token_id")?,
        eos: ends(special("tokenizer.ggml.eos_token_id")?, special("tokenizer.ggml.eot_token_id")?),
        padding: special("tokenizer.ggml.padding_token_id")?,
        raw: serde_json::Value::Null,
    })
}

/// In Hugging Face's files a llama has no window, and a mistral no biases.
fn mistral(header: &Header, keys: &Keys) -> Result<Architecture, Fault> {
    if header.tensors.keys().any(|name| name.starts_with("blk.") && name.ends_with(".bias")) {
        let (what, key) = ("biases together with a sliding window", keys.key("attention.sliding_window"));
        return Err(Fault::Feature { what, key });
    }
    Ok(Architecture::Mistral)
}

/// Keys that begin with the architecture.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl<'a> Keys<'a> {
    fn new(metadata: &'a Metadata) -> Result<Self, Fault> {
        let key = "general.architecture";
        Ok(Self { metadata, architecture: required(key, metadata.string(key)?)? })
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn optional(&self, key: &str) -> Result<Option<usize>, Fault> {
        self.metadata.uniform_count(&self.key(key))
    }

    fn count(&self, key: &str) -> Result<usize, Fault> {
        required(&self.key(key), self.optional(key)?)
    }

    fn epsilon(&self) -> Result<f64, Fault> {
        let key = self.key("attention.layer_norm_rms_epsilon");
        let stored = required(&key, self.metadata.float(&key)?)?;
        // Stored as f32, meant as the decimal number that was in `config.json`: 1e-5, not 9.999999747378752e-6.
        Ok((stored as f32).to_string().parse().unwrap_or(stored))
    }

    fn head_dim(&self, hidden_size: usize, heads: usize) -> Result<usize, Fault> {
        let key = "attention.key_length";
        let head_dim = match self.optional(key)? {
            Some(head_dim) => head_dim,
            None if heads != 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
            None => return Err(Fault::MissingKey { key: self.key(key) }),
        };
        let same = |key, what| match self.optional(key)? {
            Some(found) if found != head_dim => Err(Fault::Feature { what, key: self.key(key) }),
            _ => Ok(()),
        };
        same("attention.value_length", "values of another width than keys")?;
        same("rope.dimension_count", "heads that are rotated in part")?;
        Ok(head_dim)
    }

    fn refuse_features(&self) -> Result<(), Fault> {
        match self.optional("expert_count")? {
            None | Some(0) => Ok(()),
            Some(_) => Err(Fault::Feature { what: "mixtures of experts", key: self.key("expert_count") }),
        }
    }
}

/// As many as the file can have: every layer has tensors, so a larger number is a lie.
fn layers(header: &Header, keys: &Keys) -> Result<usize, Fault> {
    let layers = keys.count("block_count")?;
    if layers <= header.tensors.len() {
        return Ok(layers);
    }
    let expected = "a number of layers that the file's tensors can make up";
    Err(Fault::KeyValue { key: keys.key("block_count"), found: layers.to_string(), expected })
}

/// Rows of the embedding, among which every token of the tokenizer must be.
fn vocabulary(header: &Header) -> Result<usize, Fault> {
    let name = "token_embd.weight";
    let Some(stored) = header.tensors.get(name) else {
        return Err(Fault::MissingTensor { tensor: name });
    };
    let rows = stored.info.shape.first().copied().unwrap_or(0);
    match header.metadata.strings("tokenizer.ggml.tokens")? {
        Some(tokens) if rows < tokens.len() => Err(Fault::Tokens { tokens: tokens.len(), rows }),
        _ => Ok(rows),
    }
}

/// The embedding's, unless something is quantised.
fn dtype(header: &Header) -> Option<Dtype> {
    let quantised = |dtype| matches!(dtype, Dtype::Quantized(_));
    let embedding = header.tensors.get("token_embd.weight")?.info.dtype;
    (!header.tensors.values().any(|stored| quantised(stored.info.dtype))).then_some(embedding)
}

fn ends(eos: Option<u32>, end_of_turn: Option<u32>) -> Vec<u32> {
    eos.into_iter().chain(end_of_turn.filter(|&token| Some(token) != eos)).collect()
}
