//! Where a tensor stands in the map of its model: in which layer, and under which name.

use rankine_checkpoint::adapter::Kind;
use rankine_checkpoint::{Layer, Part};

/// Where a tensor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub part: Part,
    pub layer: Option<Layer>,
    /// What tells it from the others of its layer: its part's name, or else the rest of its own.
    pub slot: String,
}

impl Place {
    /// Of the tensor `name`, whose module, where it is the weight of one, is of `kind`.
    pub fn of(name: &str, kind: Option<Kind>) -> Self {
        let part = Part::of(name, kind);
        let place = match part {
            // A head or a table that bears a number, such as `classifier.1`, is in no layer.
            Part::Head | Part::Embedding => None,
            _ => name.rsplit_once('.').and_then(|(module, _)| rankine_checkpoint::Place::of(module)),
        };
        let slot = match (part, &place) {
            (Part::Other | Part::Convolution, Some(place)) if !place.role.is_empty() => place.role.to_owned(),
            _ => part.word().to_owned(),
        };
        Self { part, layer: place.map(rankine_checkpoint::Place::to_layer), slot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_tables_are_in_no_layer() {
        let layer = |name: &str, kind| Place::of(name, kind).layer.map(|layer| layer.to_string());
        assert_eq!(layer("classifier.1.weight", Some(Kind::Head)), None);
        assert_eq!(layer("roberta.embeddings.1.weight", Some(Kind::Embedding)), None);
        let bias = layer("model.layers.0.self_attn.q_proj.bias", None);
        assert_eq!(bias.as_deref(), Some("model.layers.0"));
        assert_eq!(layer("logit_scale", None), None);
    }

    #[test]
    fn what_has_no_name_of_its_own_is_told_by_the_rest() {
        let slot = |name: &str, kind| Place::of(name, Some(kind)).slot;
        assert_eq!(slot("features.3.conv.0.0.weight", Kind::Convolution), "conv.0.0");
        assert_eq!(slot("layer1.0.conv1.weight", Kind::Convolution), "conv1");
        assert_eq!(slot("stages.1.layers.0.conv1.weight", Kind::Convolution), "conv1");
        assert_eq!(slot("conv1.weight", Kind::Convolution), "convolution");
        assert_eq!(slot("model.layers.0.mlp.up_proj.weight", Kind::Linear), "up");
        assert_eq!(slot("blocks.5.weight", Kind::Linear), "other");
    }
}
