//! The names of an adapter's tensors.
//!
//!     base_model.model. MODULE .lora_A.weight            and so on, see `Part`
//!
//! The name of the adapter (`.default.`), which peft removes on saving, is passed over where some other tool left
//! it in.

/// What peft puts before the module's own path.
pub(super) const PREFIX: &str = "base_model.model.";

/// What a tensor of the file is to its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// First factor; [r, in].
    A,
    /// Second factor; [out, r].
    B,
    /// Bias of the second factor; [out].
    OutputBias,
    /// First factor of an embedding; [r, rows].
    EmbeddingA,
    /// Second factor of an embedding; [width, r].
    EmbeddingB,
    /// DoRA's magnitudes; [out], [1, out, 1, 1] of a convolution.
    Magnitude,
    /// New rows of an embedding; [n, width].
    Rows,
    /// The wrapped module's own `weight` or `bias`.
    Base(&'a str),
    /// A parameter of a module that was trained whole, under the name of its wrapper.
    Wrapped(&'a str),
    /// The same, of one that LN tuning trains.
    Tuned(&'a str),
    /// The parameter as it was before, or what only training needs; of no use.
    Unused,
    /// A parameter under its own name.
    Plain(&'a str),
}

/// The module of `key`, and what the tensor is to it; `None` for a key that no LoRA adapter has.
pub(super) fn parse(key: &str) -> Option<(&str, Part<'_>)> {
    let path = key.strip_prefix(PREFIX)?;
    MARKERS.iter().find_map(|&marker| parse_marked(path, marker)).unwrap_or_else(|| {
        let (module, parameter) = path.rsplit_once('.')?;
        let ours = parameter.starts_with("lora_") || path.contains(".lora_");
        (!ours).then_some((module, Part::Plain(parameter)))
    })
}

const MARKERS: [&str; 11] = [
    "lora_A",
    "lora_B",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_magnitude_vector",
    "lora_velora_embed",
    "token_adapter",
    "base_layer",
    "modules_to_save",
    "ln_tuning_layers",
    "original_module",
];

/// Outer `None`: the marker does not occur. Inner `None`: it does, but what follows is unknown.
fn parse_marked<'a>(path: &'a str, marker: &str) -> Option<Option<(&'a str, Part<'a>)>> {
    let dotted = format!(".{marker}");
    let at = path.rmatch_indices(&dotted).map(|(at, _)| at).find(|at| {
        let after = &path[at + dotted.len()..];
        after.is_empty() || after.starts_with('.')
    })?;
    let rest = path[at + dotted.len()..].trim_start_matches('.');
    Some(part(marker, rest).map(|part| (&path[..at], part)))
}

fn part<'a>(marker: &str, rest: &'a str) -> Option<Part<'a>> {
    // `default.weight` → `weight`; `default` → nothing.
    let last = rest.rsplit('.').next().unwrap_or(rest);
    let depth = rest.split('.').filter(|part| !part.is_empty()).count();
    Some(match (marker, last, depth) {
        ("lora_A", "weight", 1..=2) => Part::A,
        ("lora_B", "weight", 1..=2) => Part::B,
        ("lora_B", "bias", 1..=2) => Part::OutputBias,
        ("lora_embedding_A", _, 0..=1) => Part::EmbeddingA,
        ("lora_embedding_B", _, 0..=1) => Part::EmbeddingB,
        ("lora_magnitude_vector", _, 0..=1) | ("lora_magnitude_vector", "weight", 2) => Part::Magnitude,
        ("token_adapter", _, 1..=2) if rest.starts_with("trainable_tokens_delta") => Part::Rows,
        ("base_layer", "weight" | "bias", 1) => Part::Base(rest),
        ("modules_to_save", _, 1..) => Part::Wrapped(rest.strip_prefix("default.").unwrap_or(rest)),
        ("ln_tuning_layers", _, 1..) => Part::Tuned(rest.strip_prefix("default.").unwrap_or(rest)),
        ("original_module", _, 1..) => Part::Unused,
        // VeLoRA compresses what is kept for the gradient; the forward pass is that of LoRA.
        ("lora_velora_embed", _, 0..=1) => Part::Unused,
        _ => return None,
    })
}

/// The key of a factor as peft writes it.
pub(super) fn key(module: &str, suffix: &str) -> String {
    format!("{PREFIX}{module}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_peft_writes_is_understood() {
        let module = "model.layers.0.self_attn.q_proj";
        let cases = [
            ("lora_A.weight", Part::A),
            ("lora_A.default.weight", Part::A),
            ("lora_B.weight", Part::B),
            ("lora_B.my_adapter.weight", Part::B),
            ("lora_B.bias", Part::OutputBias),
            ("lora_embedding_A", Part::EmbeddingA),
            ("lora_embedding_A.default", Part::EmbeddingA),
            ("lora_embedding_B", Part::EmbeddingB),
            ("lora_magnitude_vector", Part::Magnitude),
            ("lora_magnitude_vector.default", Part::Magnitude),
            ("lora_magnitude_vector.default.weight", Part::Magnitude),
            ("lora_velora_embed", Part::Unused),
            ("lora_velora_embed.default", Part::Unused),
            ("token_adapter.trainable_tokens_delta", Part::Rows),
            ("token_adapter.trainable_tokens_delta.default", Part::Rows),
            ("base_layer.weight", Part::Base("weight")),
            ("base_layer.bias", Part::Base("bias")),
            ("modules_to_save.bias", Part::Wrapped("bias")),
            ("modules_to_save.default.dense.weight", Part::Wrapped("dense.weight")),
            ("ln_tuning_layers.weight", Part::Tuned("weight")),
            ("ln_tuning_layers.default.bias", Part::Tuned("bias")),
            ("original_module.bias", Part::Unused),
            ("weight", Part::Plain("weight")),
            ("bias", Part::Plain("bias")),
        ];
        for (suffix, part) in cases {
            assert_eq!(parse(&key(module, suffix)), Some((module, part)), "{suffix}");
        }
    }

    #[test]
    fn other_keys_are_not() {
        let names = ["", "model.norm.weight", "base_model.model.", "base_model.model.weight"];
        let inner = ["lora_A", "lora_A.a.b.weight", "lora_diag", "lora_E", "base_layer.lora_A.weight.x"];
        let inner = inner.map(|suffix| key("model.layers.0.q", suffix));
        for name in names.into_iter().chain(inner.iter().map(String::as_str)) {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
