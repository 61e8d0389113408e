//! Where a module stands in its model, told by its name.
//!
//!     model.layers.3.mlp.up_proj              mlp.up_proj of layer 3 of the list model.layers
//!     layer2.0.conv1                          conv1 of layer 0 of the list layer2, which is stage 2
//!     encoder.stages.1.layers.0.shortcut      shortcut of layer 0 of the list encoder.stages.1.layers, which is stage 1
//!
//! The first number that stands behind a name is that of the layer, as no model has a list around those of its layers but for
//! stages, whose layers are counted from 0 in each.

use serde::{Serialize, Serializer};
use std::fmt;

/// Lists of stages, and the lists of layers in each.
const STAGES: [(&str, &str); 3] = [("stages", "layers"), ("stages", "blocks"), ("layers", "blocks")];

/// A layer: a place in a list; in JSON its name, `model.layers.3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// The list's dotted name, such as `model.layers`.
    pub list: String,
    /// The place, from 0.
    pub index: usize,
}

/// A name taken apart; `layer.role` is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'n> {
    /// The layer's name: `model.layers.3`.
    pub layer: &'n str,
    /// The list's: `model.layers`.
    pub list: &'n str,
    /// The place in the list, from 0.
    pub index: usize,
    /// The rest, `mlp.up_proj`; empty where the module is the layer.
    pub role: &'n str,
}

impl<'n> Place<'n> {
    /// Of a module; `None` outside of all layers.
    pub fn of(module: &'n str) -> Option<Self> {
        let outer = Self::first(module, 0)?;
        let is_in_stage = |inner: &Self| {
            let between = inner.list.strip_prefix(outer.layer).and_then(|rest| rest.strip_prefix('.'));
            let list = outer.list.rsplit('.').next().unwrap_or_default();
            between.is_some_and(|between| STAGES.contains(&(list, between)))
        };
        Self::first(module, outer.layer.len()).filter(is_in_stage).or(Some(outer))
    }

    /// Of a tensor: `mlp.up_proj` of a weight, `mlp.up_proj.bias` of a bias; `None` outside of all layers, and where the number is
    /// all of the module's own name: `features.3.weight`.
    pub fn of_tensor(name: &'n str) -> Option<Self> {
        let (module, _) = name.rsplit_once('.')?;
        let place = Self::of(module).filter(|place| !place.role.is_empty())?;
        let stem = name.strip_suffix(".weight").unwrap_or(name);
        Some(Self { role: stem.get(place.layer.len() + 1..)?, ..place })
    }

    /// The number of the stage whose list this is.
    pub fn stage(self) -> Option<usize> {
        let mut words = self.list.rsplit('.');
        let word = words.next()?;
        let digits = word.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let number = if digits.is_empty() { words.next()? } else { digits };
        number.parse().ok()
    }

    /// The layer for whoever keeps it.
    pub fn to_layer(self) -> Layer {
        Layer { list: self.list.to_owned(), index: self.index }
    }

    /// The first number behind the byte `from`, and behind a name.
    fn first(module: &'n str, from: usize) -> Option<Self> {
        let mut dots = module.match_indices('.').map(|(at, _)| at).filter(|at| from <= *at);
        dots.find_map(|dot| {
            let rest = &module[dot + 1..];
            let (word, role) = rest.split_once('.').unwrap_or((rest, ""));
            let index = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())??;
            Some(Self { layer: &module[..dot + 1 + word.len()], list: &module[..dot], index, role })
        })
    }
}

/// The layer of a module and what it is there: `model.layers.3.mlp.up_proj` is `mlp.up_proj` of `model.layers.3`. A module outside
/// of all layers is itself, and its layer is empty.
pub fn layer_and_role(module: &str) -> (&str, &str) {
    Place::of(module).map_or(("", module), |place| (place.layer, place.role))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_found_in_the_names_of_all_architectures() {
        for (module, list, index, stage, role) in [
            ("model.layers.12.self_attn.q_proj", "model.layers", 12, None, "self_attn.q_proj"),
            ("model.layers.3.mlp.experts.7.up_proj", "model.layers", 3, None, "mlp.experts.7.up_proj"),
            ("transformer.h.0.attn.c_attn", "transformer.h", 0, None, "attn.c_attn"),
            ("model.decoder.layers.5.fc1", "model.decoder.layers", 5, None, "fc1"),
            ("bert.encoder.layer.2.output.dense", "bert.encoder.layer", 2, None, "output.dense"),
            ("encoder.block.4.layer.0.SelfAttention.q", "encoder.block", 4, None, "layer.0.SelfAttention.q"),
            ("vit.encoder.layer.1.intermediate.dense", "vit.encoder.layer", 1, None, "intermediate.dense"),
            ("blocks.11.attn.qkv", "blocks", 11, None, "attn.qkv"),
            ("blk.31.ffn_down", "blk", 31, None, "ffn_down"),
            ("layer1.0.conv1", "layer1", 0, Some(1), "conv1"),
            ("layer2.0.downsample.0", "layer2", 0, Some(2), "downsample.0"),
            (
                "resnet.encoder.stages.3.layers.1.layer.0.convolution",
                "resnet.encoder.stages.3.layers",
                1,
                Some(3),
                "layer.0.convolution",
            ),
            ("stages.0.blocks.2.conv_dw", "stages.0.blocks", 2, Some(0), "conv_dw"),
            ("layers.2.blocks.5.attn.qkv", "layers.2.blocks", 5, Some(2), "attn.qkv"),
            ("layers.2.downsample.reduction", "layers", 2, None, "downsample.reduction"),
            ("features.3.conv.0.0", "features", 3, None, "conv.0.0"),
            ("features.0.1", "features", 0, None, "1"),
            ("blocks.5", "blocks", 5, None, ""),
        ] {
            let place = Place::of(module).unwrap();
            assert_eq!((place.list, place.index, place.role), (list, index, role), "{module}");
            assert_eq!(place.stage(), stage, "{module}");
            assert_eq!(place.to_layer().to_string(), place.layer, "{module}");
            assert_eq!(layer_and_role(module), (place.layer, place.role));
        }
        for module in ["lm_head", "model.norm", "conv1", "layer2", "h.", "h.+1.x", "0.weight", ""] {
            assert_eq!(Place::of(module), None, "{module}");
            assert_eq!(layer_and_role(module), ("", module));
        }
        let endless = format!("a.{}9.b", "9".repeat(40));
        assert_eq!(Place::of(&endless), None);
    }

    #[test]
    fn a_tensor_is_told_by_its_module_and_its_parameter() {
        for (name, expected) in [
            ("model.layers.3.mlp.up_proj.weight", Some(("model.layers.3", "mlp.up_proj"))),
            ("transformer.h.11.attn.c_attn.bias", Some(("transformer.h.11", "attn.c_attn.bias"))),
            ("layer1.0.bn1.running_mean", Some(("layer1.0", "bn1.running_mean"))),
            ("features.2.conv.0.1.weight", Some(("features.2", "conv.0.1"))),
            ("features.2.weight", None),
            ("features.2.bias", None),
            ("model.norm.weight", None),
            ("lm_head.weight", None),
            ("logit_scale", None),
        ] {
            let found = Place::of_tensor(name).map(|place| (place.layer, place.role));
            assert_eq!(found, expected, "{name}");
        }
    }
}
