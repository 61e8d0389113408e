//! `config.json` of vision transformers; defaults are those of transformers 5.24.

use super::read::LAYER_LIMIT;
use super::{Activation, Fault, multiple, size};
use crate::fields::{Fields, shorten};
use crate::{Error, Result, thin};
use serde_json::Value;
use std::path::Path;

/// Shape and constants of a vision transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct Vit {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of a block; divides `hidden_size`.
    pub heads: usize,
    /// Height and width of an image, in pixels.
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    pub patch_size: usize,
    /// Colours of a pixel.
    pub channels: usize,
    /// Added to the variance in its norms.
    pub norm_epsilon: f64,
    /// The function between the projections of the MLP.
    pub activation: Activation,
}

impl Vit {
    /// Reads `config.json` of `folder`.
    ///
    /// # Errors
    /// When the file is absent, of another model, or names sizes that do not fit each other.
    pub fn read(folder: &Path) -> Result<Self> {
        let (raw, _) = thin::read_config(folder)?;
        Self::parse(&raw).map_err(|fault| Error::Config { path: folder.join("config.json"), fault })
    }

    pub(crate) fn parse(raw: &Value) -> Result<Self, Fault> {
        let fields = Fields::of("config.json", raw)?;
        match fields.string("model_type")? {
            Some("vit") => {}
            Some(found) => return Err(Fault::Architecture { found: shorten(found) }),
            None => return Err(Fault::NoArchitecture),
        }
        let count = |key, default, limit| {
            let found = fields.count(key)?.unwrap_or(default);
            size(key, found, limit).map(|()| found)
        };
        let name = fields.string("hidden_act")?.unwrap_or("gelu");
        let possible = "`relu`, `gelu`, `gelu_new`, `silu`";
        let activation = Activation::from_name(name)
            .ok_or_else(|| Fault::Activation { found: shorten(name), possible })?;
        let vit = Self {
            hidden_size: count("hidden_size", 768, 1 << 20)?,
            intermediate_size: count("intermediate_size", 3072, 1 << 24)?,
            layers: count("num_hidden_layers", 12, LAYER_LIMIT)?,
            heads: count("num_attention_heads", 12, 1 << 16)?,
            image_size: count("image_size", 224, 1 << 14)?,
            patch_size: count("patch_size", 16, 1 << 14)?,
            channels: count("num_channels", 3, 1 << 10)?,
            norm_epsilon: fields.number("layer_norm_eps")?.unwrap_or(1e-12),
            activation,
        };
        multiple(("hidden_size", vit.hidden_size), ("num_attention_heads", vit.heads))?;
        size("patch_size", vit.patch_size, vit.image_size)?;
        super::rope::positive("layer_norm_eps", vit.norm_epsilon)?;
        Ok(vit)
    }

    /// How many patches an image has; pixels beyond the last whole one are not looked at.
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_keys_are_those_of_the_base_model() {
        let vit = Vit::parse(&json!({"model_type": "vit"})).unwrap();
        assert_eq!((vit.hidden_size, vit.patches(), vit.activation), (768, 196, Activation::Gelu));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for json in [
            json!({}),
            json!({"model_type": "bert"}),
            json!({"model_type": "vit", "num_attention_heads": 7}),
            json!({"model_type": "vit", "patch_size": 225}),
            json!({"model_type": "vit", "num_channels": 0}),
            json!({"model_type": "vit", "image_size": [224, 112]}),
            json!({"model_type": "vit", "hidden_act": "sin"}),
            json!({"model_type": "vit", "layer_norm_eps": 0}),
        ] {
            assert!(Vit::parse(&json).is_err(), "{json}");
        }
    }
}
