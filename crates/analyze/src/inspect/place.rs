//! What a tensor is in its model, told by its name: which part of which layer.
//!
//!     model.layers.3.self_attn.q_proj.weight        layer model.layers.3, part query
//!     layer2.0.conv1.weight                         layer layer2.0, part convolution, slot conv1

use rankine_checkpoint::adapter::Kind;
use serde::{Serialize, Serializer};
use std::fmt;

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

/// The layer of a tensor: a place in a list of layers; in JSON its name, `model.layers.3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// The list's dotted name, such as `model.layers`.
    pub list: String,
    /// The place, from 0.
    pub index: usize,
}

/// Where a tensor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub part: Part,
    pub layer: Option<Layer>,
    /// What tells it from the others of its layer: its part's name, or else the rest of its own.
    pub slot: String,
}

/// Endings of module names, the longer before those that they end with.
const ENDINGS: [(&str, Part); 35] = [
    ("q_proj", Part::Query),
    ("query", Part::Query),
    ("q_lin", Part::Query),
    ("k_proj", Part::Key),
    ("key", Part::Key),
    ("k_lin", Part::Key),
    ("v_proj", Part::Value),
    ("value", Part::Value),
    ("v_lin", Part::Value),
    ("c_attn", Part::QueryKeyValue),
    ("qkv", Part::QueryKeyValue),
    ("qkv_proj", Part::QueryKeyValue),
    ("query_key_value", Part::QueryKeyValue),
    ("Wqkv", Part::QueryKeyValue),
    ("in_proj", Part::QueryKeyValue),
    ("o_proj", Part::Output),
    ("out_proj", Part::Output),
    ("out_lin", Part::Output),
    ("attn.c_proj", Part::Output),
    ("attn.proj", Part::Output),
    ("attention.dense", Part::Output),
    ("attention.output.dense", Part::Output),
    ("gate_proj", Part::Gate),
    ("up_proj", Part::Up),
    ("c_fc", Part::Up),
    ("fc1", Part::Up),
    ("lin1", Part::Up),
    ("intermediate.dense", Part::Up),
    ("dense_h_to_4h", Part::Up),
    ("down_proj", Part::Down),
    ("fc2", Part::Down),
    ("lin2", Part::Down),
    ("mlp.c_proj", Part::Down),
    ("dense_4h_to_h", Part::Down),
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

    fn of(module: &str, parameter: &str, kind: Option<Kind>) -> Self {
        match kind {
            _ if parameter == "bias" => Self::Bias,
            Some(Kind::Head) => Self::Head,
            Some(Kind::Embedding) => Self::Embedding,
            Some(Kind::Norm) => Self::Norm,
            Some(Kind::Convolution) => Self::Convolution,
            Some(Kind::Linear) => {
                let found = ENDINGS.iter().find(|(ending, _)| ends_with(module, ending));
                found.map_or(Self::Other, |(_, part)| *part)
            }
            None if parameter.ends_with("_embeddings") => Self::Embedding,
            None => Self::Other,
        }
    }
}

impl Place {
    /// Of the tensor `name`, whose module, where it is the weight of one, is of `kind`.
    pub fn of(name: &str, kind: Option<Kind>) -> Self {
        let (module, parameter) = name.rsplit_once('.').unwrap_or(("", name));
        let part = Part::of(module, parameter, kind);
        let layer = match part {
            Part::Head | Part::Embedding => None,
            _ => Layer::of(module),
        };
        let slot = match (part, &layer) {
            (Part::Other | Part::Convolution, Some((_, rest))) if !rest.is_empty() => (*rest).to_owned(),
            _ => part.word().to_owned(),
        };
        Self { part, layer: layer.map(|(layer, _)| layer), slot }
    }
}

impl Layer {
    /// That of a module, and the rest of the module's name.
    fn of(module: &str) -> Option<(Self, &str)> {
        let mut dots = module.match_indices('.').map(|(at, _)| at);
        dots.find_map(|dot| {
            let (word, rest) = module[dot + 1..].split_once('.').unwrap_or((&module[dot + 1..], ""));
            let index = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())??;
            Some((Self { list: module[..dot].to_owned(), index }, rest))
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.list, self.index)
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `path` is `name` or ends with `.name`.
fn ends_with(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_part_and_layer() {
        let linear = Some(Kind::Linear);
        for (name, kind, part, layer) in [
            ("model.layers.12.self_attn.q_proj.weight", linear, Part::Query, Some(("model.layers", 12))),
            ("model.layers.0.self_attn.q_proj.bias", None, Part::Bias, Some(("model.layers", 0))),
            ("transformer.h.1.attn.c_proj.weight", linear, Part::Output, Some(("transformer.h", 1))),
            ("transformer.h.1.mlp.c_proj.weight", linear, Part::Down, Some(("transformer.h", 1))),
            (
                "bert.encoder.layer.2.attention.output.dense.weight",
                linear,
                Part::Output,
                Some(("bert.encoder.layer", 2)),
            ),
            ("bert.encoder.layer.2.output.dense.weight", linear, Part::Down, Some(("bert.encoder.layer", 2))),
            ("bert.pooler.dense.weight", linear, Part::Other, None),
            ("model.embed_tokens.weight", Some(Kind::Embedding), Part::Embedding, None),
            ("vit.embeddings.position_embeddings", None, Part::Embedding, None),
            ("classifier.1.weight", Some(Kind::Head), Part::Head, None),
            ("model.norm.weight", Some(Kind::Norm), Part::Norm, None),
            ("logit_scale", None, Part::Other, None),
        ] {
            let place = Place::of(name, kind);
            let found = place.layer.as_ref().map(|layer| (layer.list.as_str(), layer.index));
            assert_eq!((place.part, found), (part, layer), "{name}");
        }
    }

    #[test]
    fn what_has_no_name_of_its_own_is_told_by_the_rest() {
        let slot = |name: &str, kind| Place::of(name, Some(kind)).slot;
        assert_eq!(slot("features.3.conv.0.0.weight", Kind::Convolution), "conv.0.0");
        assert_eq!(slot("layer1.0.conv1.weight", Kind::Convolution), "conv1");
        assert_eq!(slot("conv1.weight", Kind::Convolution), "convolution");
        assert_eq!(slot("model.layers.0.mlp.up_proj.weight", Kind::Linear), "up");
        assert_eq!(slot("blocks.5.weight", Kind::Linear), "other");
    }
}
