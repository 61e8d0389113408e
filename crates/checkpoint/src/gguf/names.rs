//! ggml's tensor names and Hugging Face's, for the llama family.
//!
//!     token_embd → model.embed_tokens     output_norm → model.norm     output → lm_head
//!     blk.N.attn_q → model.layers.N.self_attn.q_proj, …; the endings `.weight` and `.bias` stay

/// Inside a layer.
const LAYER: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The Hugging Face name of a tensor, or `None` where there is no counterpart.
pub(super) fn hugging_face(name: &str) -> Option<String> {
    let (stem, ending) = name.rsplit_once('.')?;
    if !matches!(ending, "weight" | "bias") {
        return None;
    }
    Some(match stem {
        "token_embd" => format!("model.embed_tokens.{ending}"),
        "output_norm" => format!("model.norm.{ending}"),
        "output" => format!("lm_head.{ending}"),
        _ => {
            let (layer, part) = layer_part(stem)?;
            let (_, module) = LAYER.iter().find(|(ggml, _)| *ggml == part)?;
            format!("model.layers.{layer}.{module}.{ending}")
        }
    })
}

/// The ggml name of a tensor: the reverse of [`hugging_face`].
pub(super) fn ggml(name: &str) -> Option<String> {
    let (module, ending) = name.rsplit_once('.')?;
    let stem = match module {
        "model.embed_tokens" => "token_embd".to_owned(),
        "model.norm" => "output_norm".to_owned(),
        "lm_head" => "output".to_owned(),
        _ => {
            let (layer, module) = module.strip_prefix("model.layers.")?.split_once('.')?;
            let (part, _) = LAYER.iter().find(|(_, known)| *known == module)?;
            format!("blk.{layer}.{part}")
        }
    };
    // Refuses endings and layer numbers that are none.
    Some(format!("{stem}.{ending}")).filter(|ggml| hugging_face(ggml).as_deref() == Some(name))
}

/// Number and part of `blk.N.PART`.
pub(super) fn layer_part(stem: &str) -> Option<(u32, &str)> {
    let (number, part) = stem.strip_prefix("blk.")?.split_once('.')?;
    let layer: u32 = number.parse().ok()?;
    // `01` and `+1` parse too, and would be a second name of the same layer.
    (layer.to_string() == number).then_some((layer, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_llama_family() {
        for (ggml, expected) in [
            ("token_embd.weight", "model.embed_tokens.weight"),
            ("output.weight", "lm_head.weight"),
            ("output_norm.weight", "model.norm.weight"),
            ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
            ("blk.12.attn_k_norm.weight", "model.layers.12.self_attn.k_norm.weight"),
            ("blk.7.ffn_norm.weight", "model.layers.7.post_attention_layernorm.weight"),
            ("blk.7.ffn_down.weight", "model.layers.7.mlp.down_proj.weight"),
        ] {
            assert_eq!(hugging_face(ggml).as_deref(), Some(expected));
            assert_eq!(super::ggml(expected).as_deref(), Some(ggml));
        }
        for stranger in ["", "weight", "blk.01.attn_q.weight", "blk.+1.attn_q.weight", "blk.x.attn_q.weight"]
        {
            assert_eq!(hugging_face(stranger), None, "{stranger}");
        }
        for stranger in
            ["model.layers.01.mlp.up_proj.weight", "model.layers.0.mlp.up_proj", "model.embed.weight"]
        {
            assert_eq!(super::ggml(stranger), None, "{stranger}");
        }
        for stranger in ["rope_freqs.weight", "blk.0.attn_q.scale", "blk.0.ffn_gate_exps.weight"] {
            assert_eq!(hugging_face(stranger), None, "{stranger}");
        }
    }
}
