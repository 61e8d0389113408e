//! What a tensor does in its model, told by its name.
//!
//!     model.layers.3.self_attn.q_proj.weight      query
//!     layer2.0.conv1.weight                       convolution

use crate::adapter::{Kind, is_suffix};
use serde::Serialize;

/// What a tensor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A table of rows: of tokens, of positions.
    Embedding,
    /// Query projection of an attention.
    Query,
    /// Key projection.
    Key,
    /// Value projection.
    Value,
    /// Query, key and value in one.
    QueryKeyValue,
    /// Output projection of an attention.
    Output,
    /// The gate of an MLP.
    Gate,
    /// The way into an MLP.
    Up,
    /// The way out of it.
    Down,
    /// What gives the scores of tokens or classes.
    Head,
    /// A convolution.
    Convolution,
    /// A normalisation's scale.
    Norm,
    /// What is added.
    Bias,
    /// Anything else.
    Other,
}

/// Endings of module names, the longer before those that they end with.
const ENDINGS: [(&str, Part); 43] = [
    ("q_proj", Part::Query),
    ("query", Part::Query),
    ("q_lin", Part::Query),
    ("attn_q", Part::Query),
    ("k_proj", Part::Key),
    ("key", Part::Key),
    ("k_lin", Part::Key),
    ("attn_k", Part::Key),
    ("v_proj", Part::Value),
    ("value", Part::Value),
    ("v_lin", Part::Value),
    ("attn_v", Part::Value),
    ("c_attn", Part::QueryKeyValue),
    ("qkv", Part::QueryKeyValue),
    ("qkv_proj", Part::QueryKeyValue),
    ("query_key_value", Part::QueryKeyValue),
    ("Wqkv", Part::QueryKeyValue),
    ("in_proj", Part::QueryKeyValue),
    ("attn_qkv", Part::QueryKeyValue),
    ("o_proj", Part::Output),
    ("out_proj", Part::Output),
    ("out_lin", Part::Output),
    ("attn.c_proj", Part::Output),
    ("attn.proj", Part::Output),
    ("attention.dense", Part::Output),
    ("attention.output.dense", Part::Output),
    ("attn_output", Part::Output),
    ("gate_proj", Part::Gate),
    ("ffn_gate", Part::Gate),
    ("up_proj", Part::Up),
    ("c_fc", Part::Up),
    ("fc1", Part::Up),
    ("lin1", Part::Up),
    ("intermediate.dense", Part::Up),
    ("dense_h_to_4h", Part::Up),
    ("ffn_up", Part::Up),
    ("down_proj", Part::Down),
    ("fc2", Part::Down),
    ("lin2", Part::Down),
    ("mlp.c_proj", Part::Down),
    ("dense_4h_to_h", Part::Down),
    ("ffn_down", Part::Down),
    ("output.dense", Part::Down),
];

impl Part {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Query => "query",
            Self::Key => "key",
            Self::Value => "value",
            Self::QueryKeyValue => "query, key, value",
            Self::Output => "output",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Down => "down",
            Self::Head => "head",
            Self::Convolution => "convolution",
            Self::Norm => "norm",
            Self::Bias => "bias",
            Self::Other => "other",
        }
    }

    /// Of the tensor `name`, whose module, where it is the weight of one, is of `kind`.
    pub fn of(name: &str, kind: Option<Kind>) -> Self {
        let (module, parameter) = name.rsplit_once('.').unwrap_or(("", name));
        match kind {
            _ if parameter == "bias" => Self::Bias,
            Some(Kind::Head) => Self::Head,
            Some(Kind::Embedding) => Self::Embedding,
            Some(Kind::Norm) => Self::Norm,
            Some(Kind::Convolution) => Self::Convolution,
            Some(Kind::Linear) => {
                let found = ENDINGS.iter().find(|(ending, _)| is_suffix(module, ending));
                found.map_or(Self::Other, |(_, part)| *part)
            }
            None if parameter.ends_with("_embeddings") => Self::Embedding,
            None => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_parts() {
        let linear = Some(Kind::Linear);
        for (name, kind, part) in [
            ("model.layers.12.self_attn.q_proj.weight", linear, Part::Query),
            ("model.layers.0.self_attn.q_proj.bias", None, Part::Bias),
            ("transformer.h.1.attn.c_proj.weight", linear, Part::Output),
            ("transformer.h.1.mlp.c_proj.weight", linear, Part::Down),
            ("model.decoder.layers.1.self_attn.out_proj.weight", linear, Part::Output),
            ("model.decoder.layers.1.fc2.weight", linear, Part::Down),
            ("bert.encoder.layer.2.attention.output.dense.weight", linear, Part::Output),
            ("bert.encoder.layer.2.output.dense.weight", linear, Part::Down),
            ("vit.encoder.layer.2.attention.attention.key.weight", linear, Part::Key),
            ("bert.pooler.dense.weight", linear, Part::Other),
            ("blk.0.attn_output.weight", linear, Part::Output),
            ("blk.0.ffn_gate.weight", linear, Part::Gate),
            ("model.embed_tokens.weight", Some(Kind::Embedding), Part::Embedding),
            ("vit.embeddings.position_embeddings", None, Part::Embedding),
            ("classifier.1.weight", Some(Kind::Head), Part::Head),
            ("layer1.0.conv1.weight", Some(Kind::Convolution), Part::Convolution),
            ("model.norm.weight", Some(Kind::Norm), Part::Norm),
            ("logit_scale", None, Part::Other),
        ] {
            assert_eq!(Part::of(name, kind), part, "{name}");
        }
    }
}
