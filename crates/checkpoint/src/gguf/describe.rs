//! From [`Config`] to a GGUF file's metadata: the reverse of `config`, in the order of llama.cpp's converter.
//!
//! What is seen from the tensors has no key: biases, a tied head. The scaling of Llama 3 is a tensor, `rope_freqs.weight`.

use super::Fault;
use super::layout::family;
use super::rope::factors;
use super::value::{Metadata, Value};
use crate::Config;
use crate::config::RopeScaling;

/// The keys of a model's shape and constants, and where it has them the numbers of `rope_freqs.weight`
/// ([`ROPE_FACTORS`](super::ROPE_FACTORS)); [head_dim/2].
///
/// # Errors
/// When it is none of the llama family, or something of it has no key.
pub fn describe(config: &Config) -> Result<(Metadata, Option<Vec<f32>>), Fault> {
    let unknown = || Fault::Architecture { found: config.architecture.name().to_owned() };
    let family = family(config.architecture).ok_or_else(unknown)?;
    let key = |key: &str| format!("{family}.{key}");
    let window = config.windows.first().copied().flatten();
    if config.windows.iter().any(|&other| other != window) {
        let (what, key) = ("windows of some layers only", key("attention.sliding_window"));
        return Err(Fault::Feature { what, key });
    }
    let text = |text: &str| Value::String(text.to_owned());
    let mut entries = vec![
        ("general.architecture".to_owned(), text(family)),
        ("general.type".to_owned(), text("model")),
        (key("block_count"), count(config.layers)),
        (key("context_length"), count(config.context)),
        (key("embedding_length"), count(config.hidden_size)),
        (key("feed_forward_length"), count(config.intermediate_size)),
        (key("attention.head_count"), count(config.heads)),
        (key("attention.head_count_kv"), count(config.key_value_heads)),
        (key("attention.layer_norm_rms_epsilon"), Value::F32(config.norm_epsilon as f32)),
        (key("attention.key_length"), count(config.head_dim)),
        (key("attention.value_length"), count(config.head_dim)),
        (key("vocab_size"), count(config.vocabulary)),
        (key("rope.dimension_count"), count(config.head_dim)),
    ];
    entries.extend(window.map(|window| (key("attention.sliding_window"), count(window))));
    let rope = config.rope();
    if let Some(rope) = rope {
        entries.push((key("rope.freq_base"), Value::F32(rope.theta as f32)));
        if let RopeScaling::Linear { factor } = rope.scaling {
            entries.push((key("rope.scaling.type"), text("linear")));
            entries.push((key("rope.scaling.factor"), Value::F32(factor as f32)));
        }
    }
    let factors = rope.and_then(|rope| factors(rope, config.head_dim));
    Ok((Metadata(entries.into_iter().collect()), factors))
}

fn count(count: usize) -> Value {
    u32::try_from(count).map_or(Value::U64(count as u64), Value::U32)
}
