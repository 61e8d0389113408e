//! From the keys of `config.json` to [`Config`]; defaults are those of transformers 5.23's configuration classes.

use super::{Activation, Architecture, Config, Fault, Positions, Rope, encoder, learned};
use crate::Dtype;
use crate::fields::{Fields, WrongValue, as_count, as_list, shorten};
use serde_json::Value;

/// More layers than any model has; the list of windows has one entry for each.
pub(super) const LAYER_LIMIT: usize = 10_000;

pub(super) fn read(raw: Value, generation: Option<&Value>) -> Result<Config, Fault> {
    let fields = Fields::of("config.json", &raw)?;
    // First: packed weights are no matrices, of whatever architecture they are.
    refuse_quantised(fields)?;
    let architecture = architecture(fields)?;
    let config = match architecture {
        Architecture::Gpt2 => learned::gpt2(fields, generation)?,
        Architecture::Opt => learned::opt(fields, generation)?,
        encoder if encoder.is_encoder() => encoder::encoder(encoder, fields)?,
        _ => llama(architecture, fields, generation)?,
    };
    Ok(Config { raw, ..config })
}

/// A member of the llama family.
fn llama(architecture: Architecture, fields: Fields, generation: Option<&Value>) -> Result<Config, Fault> {
    let count = |key, default| Ok::<_, Fault>(fields.count(key)?.unwrap_or(default));
    let flag = |key| Ok::<_, Fault>(fields.bool(key)?.unwrap_or(false));
    let defaults = Defaults::of(architecture);

    let hidden_size = count("hidden_size", 4096)?;
    let layers = count("num_hidden_layers", 32)?;
    super::size("num_hidden_layers", layers, LAYER_LIMIT)?;
    let heads = count("num_attention_heads", 32)?;
    super::size("num_attention_heads", heads, 1 << 16)?;
    let context = count("max_position_embeddings", defaults.context)?;
    // These two have their biases built in or left out, whatever the file says.
    let (attention_bias, output_bias) = match architecture {
        Architecture::Mistral => (false, false),
        Architecture::Qwen2 => (true, false),
        _ => (flag("attention_bias")?, flag("attention_bias")?),
    };
    Ok(Config {
        architecture,
        hidden_size,
        intermediate_size: count("intermediate_size", defaults.intermediate_size)?,
        layers,
        heads,
        key_value_heads: key_value_heads(fields, heads, defaults.key_value_heads)?,
        head_dim: head_dim(fields, architecture, hidden_size, heads)?,
        vocabulary: count("vocab_size", defaults.vocabulary)?,
        context,
        norm_epsilon: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
        positions: Positions::Rotary(Rope::read(fields, context)?),
        embedding_size: hidden_size,
        norm_first: true,
        final_norm: true,
        tied: flag("tie_word_embeddings")?,
        attention_bias,
        output_bias,
        mlp_bias: architecture == Architecture::Llama && flag("mlp_bias")?,
        activation: activation(fields)?,
        windows: windows(fields, architecture, layers)?,
        dtype: dtype(fields)?,
        bos: tokens(fields, "bos_token_id", defaults.bos)?.first().copied(),
        eos: eos(fields, generation, defaults.eos)?,
        padding: tokens(fields, "pad_token_id", None)?.first().copied(),
        raw: Value::Null,
    })
}

struct Defaults {
    intermediate_size: usize,
    /// `None`: as many as query heads.
    key_value_heads: Option<usize>,
    vocabulary: usize,
    context: usize,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Defaults {
    fn of(architecture: Architecture) -> Self {
        let (intermediate_size, key_value_heads, context) = match architecture {
            Architecture::Mistral => (14_336, Some(8), 4096 * 32),
            Architecture::Qwen2 | Architecture::Qwen3 => (22_016, Some(32), 32_768),
            _ => (11_008, None, 2048),
        };
        let (vocabulary, bos, eos) = match architecture {
            Architecture::Qwen2 | Architecture::Qwen3 => (151_936, None, None),
            _ => (32_000, Some(1), Some(2)),
        };
        Self { intermediate_size, key_value_heads, vocabulary, context, bos, eos }
    }
}

fn architecture(fields: Fields) -> Result<Architecture, Fault> {
    if let Some(name) = fields.string("model_type")? {
        let unknown = || match name {
            "vit" | "mlp" | "lenet" => Fault::Images { found: name.to_owned() },
            _ => Fault::Architecture { found: shorten(name) },
        };
        return Architecture::from_name(name).ok_or_else(unknown);
    }
    let classes = fields.strings("architectures")?.unwrap_or_default();
    let class = classes.first().ok_or(Fault::NoArchitecture)?;
    Architecture::from_class(class).ok_or_else(|| Fault::Architecture { found: shorten(class) })
}

fn refuse_quantised(fields: Fields) -> Result<(), Fault> {
    let Some(quantization) = fields.object("quantization_config")? else { return Ok(()) };
    let method = quantization.string("quant_method")?.unwrap_or("unknown");
    Err(Fault::Quantization { method: shorten(method) })
}

/// Absent takes the class's default, an explicit null means one per query head.
fn key_value_heads(fields: Fields, heads: usize, default: Option<usize>) -> Result<usize, Fault> {
    let key = "num_key_value_heads";
    let absent = if fields.0.contains_key(key) { heads } else { default.unwrap_or(heads) };
    Ok(fields.count(key)?.unwrap_or(absent))
}

fn head_dim(
    fields: Fields,
    architecture: Architecture,
    hidden_size: usize,
    heads: usize,
) -> Result<usize, Fault> {
    if let Some(head_dim) = fields.count("head_dim")? {
        return Ok(head_dim);
    }
    if architecture == Architecture::Qwen3 {
        return Ok(128);
    }
    super::multiple(("hidden_size", hidden_size), ("num_attention_heads", heads))?;
    Ok(hidden_size / heads)
}

fn activation(fields: Fields) -> Result<Activation, Fault> {
    let name = fields.string("hidden_act")?.unwrap_or("silu");
    let known = Activation::from_name(name).filter(|&known| known == Activation::Silu);
    known.ok_or_else(|| Fault::Activation { found: shorten(name), possible: "`silu`" })
}

fn windows(fields: Fields, architecture: Architecture, layers: usize) -> Result<Vec<Option<usize>>, Fault> {
    match architecture {
        Architecture::Mistral => {
            let default = (!fields.0.contains_key("sliding_window")).then_some(4096);
            Ok(vec![fields.count("sliding_window")?.or(default); layers])
        }
        Architecture::Qwen2 | Architecture::Qwen3 => qwen_windows(fields, layers),
        _ => Ok(vec![None; layers]),
    }
}

/// `layer_types` where given, else a sliding window from layer `max_window_layers` on.
fn qwen_windows(fields: Fields, layers: usize) -> Result<Vec<Option<usize>>, Fault> {
    let absent = (!fields.0.contains_key("sliding_window")).then_some(4096);
    let used = fields.bool("use_sliding_window")?.unwrap_or(false);
    let window = fields.count("sliding_window")?.or(absent).filter(|_| used);
    let Some(kinds) = fields.strings("layer_types")? else {
        let full = fields.count("max_window_layers")?.unwrap_or(28);
        return Ok((0..layers).map(|layer| window.filter(|_| full <= layer)).collect());
    };
    if kinds.len() != layers {
        return Err(Fault::LayerTypes { found: kinds.len(), layers });
    }
    let each = |kind: &String| match kind.as_str() {
        "full_attention" => Ok(None),
        "sliding_attention" => Ok(window),
        other => Err(Fault::LayerType { found: shorten(other) }),
    };
    kinds.iter().map(each).collect()
}

/// A storage type that is not ours (say `auto`) is no fault: the tensors themselves say how they are stored.
pub(super) fn dtype(fields: Fields) -> Result<Option<Dtype>, Fault> {
    let name = fields.string("dtype")?.or(fields.string("torch_dtype")?);
    Ok(match name.map(|name| name.trim_start_matches("torch.")) {
        Some("float64") => Some(Dtype::F64),
        Some("float32") => Some(Dtype::F32),
        Some("float16") => Some(Dtype::F16),
        Some("bfloat16") => Some(Dtype::Bf16),
        _ => None,
    })
}

pub(super) fn eos(
    fields: Fields,
    generation: Option<&Value>,
    default: Option<u32>,
) -> Result<Vec<u32>, Fault> {
    if let Some(generation) = generation {
        let eos = tokens(Fields::of("generation_config.json", generation)?, "eos_token_id", None)?;
        if !eos.is_empty() {
            return Ok(eos);
        }
    }
    tokens(fields, "eos_token_id", default)
}

/// A token id or a list of them; `default` only where the key is absent. Old files write −1 for "none".
pub(super) fn tokens(fields: Fields, key: &str, default: Option<u32>) -> Result<Vec<u32>, Fault> {
    let Some(value) = fields.0.get(key) else { return Ok(default.into_iter().collect()) };
    let id = |value: &Value| match value.as_i64() {
        Some(negative) if negative < 0 => Some(None),
        _ => as_count(value).and_then(|id| u32::try_from(id).ok()).map(Some),
    };
    let ids = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(_) => as_list(value, id),
        one => id(one).map(|id| vec![id]),
    };
    let ids = ids.ok_or_else(|| WrongValue::new(key, "a token id or a list of them", value))?;
    let mut seen = Vec::new();
    for id in ids.into_iter().flatten() {
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    Ok(seen)
}
