//! The layer of a tensor, and what it is there.

/// `model.layers.3.mlp.up_proj.weight` is `mlp.up_proj` of layer 3. A tensor outside of all layers is itself, without a layer.
pub(super) fn place(name: &str) -> (Option<usize>, &str) {
    let name = name.strip_suffix(".weight").unwrap_or(name);
    let mut rest = name;
    while let Some((part, after)) = rest.split_once('.') {
        if let Ok(layer) = part.parse() {
            return (Some(layer), after);
        }
        rest = after;
    }
    (None, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_layer() {
        for (name, expected) in [
            ("model.layers.3.mlp.up_proj.weight", (Some(3), "mlp.up_proj")),
            ("transformer.h.11.attn.c_attn.bias", (Some(11), "attn.c_attn.bias")),
            ("features.2.conv.0.1.weight", (Some(2), "conv.0.1")),
            ("model.norm.weight", (None, "model.norm")),
            ("lm_head.weight", (None, "lm_head")),
            ("features.2", (None, "features.2")),
        ] {
            assert_eq!(place(name), expected, "{name}");
        }
    }
}
