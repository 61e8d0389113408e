//! `config.json` of models with learned positions, gpt2 and opt; defaults are those of transformers 5.23.

use super::read::{LAYER_LIMIT, dtype, eos, tokens};
use super::{Activation, Architecture, Config, Fault, Positions};
use crate::fields::{Fields, shorten};
use serde_json::Value;

/// The sizes that both have.
struct Sizes {
    hidden: usize,
    layers: usize,
    heads: usize,
    context: usize,
}

impl Sizes {
    fn read(architecture: Architecture, fields: Fields, context: usize) -> Result<Self, Fault> {
        let count = |key, default| Ok::<_, Fault>(fields.count(architecture.key(key))?.unwrap_or(default));
        let (layers, heads) = (count("num_hidden_layers", 12)?, count("num_attention_heads", 12)?);
        super::size(architecture.key("num_hidden_layers"), layers, LAYER_LIMIT)?;
        super::size(architecture.key("num_attention_heads"), heads, 1 << 16)?;
        let hidden = count("hidden_size", 768)?;
        let [hidden_key, heads_key] = ["hidden_size", "num_attention_heads"].map(|key| architecture.key(key));
        super::multiple((hidden_key, hidden), (heads_key, heads))?;
        Ok(Self { hidden, layers, heads, context: count("max_position_embeddings", context)? })
    }
}

pub(super) fn gpt2(fields: Fields, generation: Option<&Value>) -> Result<Config, Fault> {
    let architecture = Architecture::Gpt2;
    refuse(fields, "scale_attn_weights", true)?;
    refuse(fields, "scale_attn_by_inverse_layer_idx", false)?;
    refuse(fields, "add_cross_attention", false)?;
    let Sizes { hidden, layers, heads, context } = Sizes::read(architecture, fields, 1024)?;
    Ok(Config {
        architecture,
        hidden_size: hidden,
        intermediate_size: fields.count("n_inner")?.unwrap_or(4 * hidden),
        layers,
        heads,
        key_value_heads: heads,
        embedding_size: hidden,
        head_dim: hidden / heads,
        vocabulary: fields.count("vocab_size")?.unwrap_or(50_257),
        context,
        norm_epsilon: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        norm_first: true,
        final_norm: true,
        positions: Positions::Learned { offset: 0 },
        tied: fields.bool("tie_word_embeddings")?.unwrap_or(true),
        attention_bias: true,
        output_bias: true,
        mlp_bias: true,
        activation: activation(fields, "gelu_new")?,
        windows: vec![None; layers],
        dtype: dtype(fields)?,
        bos: tokens(fields, "bos_token_id", Some(50_256))?.first().copied(),
        eos: eos(fields, generation, Some(50_256))?,
        padding: tokens(fields, "pad_token_id", None)?.first().copied(),
        raw: Value::Null,
    })
}

pub(super) fn opt(fields: Fields, generation: Option<&Value>) -> Result<Config, Fault> {
    let architecture = Architecture::Opt;
    refuse(fields, "layer_norm_elementwise_affine", true)?;
    let flag = |key, default| Ok::<_, Fault>(fields.bool(key)?.unwrap_or(default));
    let Sizes { hidden, layers, heads, context } = Sizes::read(architecture, fields, 2048)?;
    let (bias, norm_first) = (flag("enable_bias", true)?, flag("do_layer_norm_before", true)?);
    Ok(Config {
        architecture,
        hidden_size: hidden,
        intermediate_size: fields.count("ffn_dim")?.unwrap_or(3072),
        layers,
        heads,
        key_value_heads: heads,
        embedding_size: fields.count("word_embed_proj_dim")?.unwrap_or(hidden),
        head_dim: hidden / heads,
        vocabulary: fields.count("vocab_size")?.unwrap_or(50_272),
        context,
        // That of torch's layer norm; the file has no key for it.
        norm_epsilon: 1e-5,
        norm_first,
        // Left out of models that were fine-tuned with transformers before 4.20.1.
        final_norm: norm_first && !flag("_remove_final_layer_norm", false)?,
        positions: Positions::Learned { offset: 2 },
        tied: flag("tie_word_embeddings", true)?,
        attention_bias: bias,
        output_bias: bias,
        mlp_bias: bias,
        activation: activation(fields, "relu")?,
        windows: vec![None; layers],
        dtype: dtype(fields)?,
        bos: tokens(fields, "bos_token_id", Some(2))?.first().copied(),
        eos: eos(fields, generation, Some(2))?,
        padding: tokens(fields, "pad_token_id", Some(1))?.first().copied(),
        raw: Value::Null,
    })
}

/// A key that may only hold its default.
fn refuse(fields: Fields, key: &'static str, supported: bool) -> Result<(), Fault> {
    match fields.bool(key)?.unwrap_or(supported) {
        found if found == supported => Ok(()),
        found => Err(Fault::Variant { key, found, supported }),
    }
}

fn activation(fields: Fields, default: &str) -> Result<Activation, Fault> {
    let name = fields.string("activation_function")?.unwrap_or(default);
    let possible = "`relu`, `gelu`, `gelu_new`, `silu`";
    Activation::from_name(name).ok_or_else(|| Fault::Activation { found: shorten(name), possible })
}
