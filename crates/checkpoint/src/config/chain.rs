//! `config.json` of plain chains of layers, of which other programs keep the weights alone: this file is our own.
//!
//! ```text
//! { "model_type": "mlp", "activation": "relu" }
//! { "model_type": "lenet", "activation": "relu", "padding": [2, 0], "stride": 1, "pool": 2 }
//! ```
//!
//! | key | what it says | where it is absent |
//! | --- | --- | --- |
//! | `activation` | f behind every layer but the last | `relu` |
//! | `padding`, `stride`, `pool` | of the convolutions, one for all or one for each; pooling takes the largest | 0, 1, 2 |
//! | `layers` | the modules in their order | that of the names or of the file |
//! | `image_size` | height and width in pixels, or one number for both | the images' own if it fills the first matrix, else the least |
//! | `num_channels` | colours of a pixel | those of the first convolution; of a perceptron 1 or 3, by which images are square |
//!
//! All other sizes are those of the tensors. A key of another name is a fault: passed over, it would change what is computed.

mod images;
#[cfg(test)]
mod tests;

use super::{Activation, Fault, size};
use crate::TensorInfo;
use crate::chain::{ChainLayer, chain, chain_of};
use crate::fields::{Fields, shorten};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// What the file may say.
pub(super) const KEYS: [&str; 8] =
    ["model_type", "activation", "padding", "stride", "pool", "layers", "image_size", "num_channels"];

/// A perceptron, or a network in the manner of LeNet: convolutions, and matrices behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// In their order; none in a perceptron.
    pub convolutions: Vec<ChainConvolution>,
    /// Modules of the matrices, in their order; the last gives the scores.
    pub matrices: Vec<String>,
    /// f behind every layer but the last.
    pub activation: Activation,
    /// Colours of a pixel, where they are known.
    pub channels: Option<usize>,
    /// Size of an image, where it is known.
    pub sides: Option<Sides>,
}

/// Heights and widths of images in pixels that give the first matrix the same numbers of the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Every pixel counts.
    pub least: [usize; 2],
    /// The last pixels are left out by a step or a window; the same where the file names a size.
    pub most: [usize; 2],
}

/// A convolution of a chain; f and pooling stand behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainConvolution {
    /// Its name.
    pub module: String,
    /// Rows and columns of zeros on either side.
    pub padding: usize,
    /// Steps of the kernel.
    pub stride: usize,
    /// Height and width of the windows that are pooled over, side by side; 1: no pooling.
    pub pool: usize,
}

impl ChainConvolution {
    /// Places of a kernel on a side, before pooling; `None` where it does not fit.
    pub fn outputs(&self, side: usize, kernel: usize) -> Option<usize> {
        let padded = side.checked_add(2 * self.padding)?;
        Some(padded.checked_sub(kernel)? / self.stride + 1)
    }
}

impl Chain {
    /// Whether a file is of such a network.
    pub(crate) fn is_named(raw: &Value) -> bool {
        matches!(raw["model_type"].as_str(), Some("mlp" | "lenet"))
    }

    /// What the file and the tensors tell together.
    pub(crate) fn parse(raw: &Value, infos: &IndexMap<String, TensorInfo>) -> Result<Self, Fault> {
        let fields = Fields::of("config.json", raw)?;
        if let Some(found) = fields.0.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(Fault::Key { found: shorten(found) });
        }
        let layers = match fields.strings("layers")? {
            Some(modules) => chain_of(infos, &modules),
            None => chain(infos),
        };
        let layers = layers.map_err(|name| Fault::Layer { name })?;
        refuse_others(&layers, infos)?;
        let folded = layers.iter().take_while(|layer| layer.is_convolution()).count();
        let named = fields.string("model_type")?.unwrap_or_default();
        let found = match (folded, layers.len() - folded) {
            (_, 0) => "no matrix gives scores",
            (0, _) if named != "mlp" => "there are matrices alone",
            (1.., _) if named != "lenet" => "there are convolutions",
            _ => "",
        };
        if !found.is_empty() {
            return Err(Fault::Layers { named: shorten(named), found });
        }
        let convolutions = convolutions(fields, &layers[..folded])?;
        let (channels, sides) = images::of(fields, &layers, &convolutions)?;
        Ok(Self {
            matrices: layers[folded..].iter().map(|layer| layer.module.to_owned()).collect(),
            activation: activation(fields)?,
            convolutions,
            channels,
            sides,
        })
    }

    /// What the file calls it.
    pub fn name(&self) -> &'static str {
        if self.convolutions.is_empty() { "mlp" } else { "lenet" }
    }

    /// All modules, in their order.
    pub fn modules(&self) -> Vec<String> {
        let convolutions = self.convolutions.iter().map(|layer| &layer.module);
        convolutions.chain(&self.matrices).cloned().collect()
    }

    /// The module that gives the scores of the classes.
    pub fn head(&self) -> &str {
        self.matrices.last().map_or("", String::as_str)
    }

    /// The file with the order of the layers in it: tensors may have another one in a copy.
    pub(crate) fn described(&self, raw: &Value) -> Value {
        let mut raw = raw.clone();
        raw["layers"] = json!(self.modules());
        raw
    }

    /// A file for tensors that are described by none and may be those of such a network; what it says of activation, padding and
    /// pooling is a guess.
    pub(crate) fn example(infos: &IndexMap<String, TensorInfo>) -> Option<Value> {
        let layers = chain(infos).ok()?;
        refuse_others(&layers, infos).ok()?;
        if layers.last()?.is_convolution() {
            return None;
        }
        Some(match layers.first()?.is_convolution() {
            false => json!({ "model_type": "mlp", "activation": "relu" }),
            true => {
                json!({ "model_type": "lenet", "activation": "relu", "padding": 0, "stride": 1, "pool": 2 })
            }
        })
    }
}

/// An error unless there is nothing but layers with their biases: norms and shortcuts are no part of such a network.
fn refuse_others(layers: &[ChainLayer<'_>], infos: &IndexMap<String, TensorInfo>) -> Result<(), Fault> {
    let is_of_layer = |name: &str, info: &TensorInfo| {
        let Some((module, parameter)) = name.rsplit_once('.') else { return false };
        let layer = layers.iter().find(|layer| layer.module == module);
        layer.is_some_and(|layer| {
            parameter == "weight" || (parameter == "bias" && info.shape == layer.shape[..1])
        })
    };
    match infos.iter().find(|(name, info)| !is_of_layer(name, info)) {
        Some((name, _)) => Err(Fault::Layer { name: name.clone() }),
        None => Ok(()),
    }
}

fn convolutions(fields: Fields<'_>, layers: &[ChainLayer<'_>]) -> Result<Vec<ChainConvolution>, Fault> {
    let each = |key: &'static str, absent: usize| -> Result<Vec<usize>, Fault> {
        let found = fields.counts(key)?.unwrap_or_else(|| vec![absent]);
        match found.as_slice() {
            &[one] => Ok(vec![one; layers.len()]),
            all if all.len() == layers.len() => Ok(found),
            all => Err(Fault::Convolutions { key, found: all.len(), convolutions: layers.len() }),
        }
    };
    let (padding, stride, pool) = (each("padding", 0)?, each("stride", 1)?, each("pool", 2)?);
    let convolution = |(at, layer): (usize, &ChainLayer<'_>)| {
        let (padding, stride, pool) = (padding[at], stride[at], pool[at]);
        size("stride", stride, 1 << 10)?;
        size("pool", pool, 16)?;
        if layer.shape[2..].iter().any(|&side| side <= padding) {
            let expected = "below height and width of the kernel";
            return Err(Fault::Range { key: "padding", found: padding as f64, expected });
        }
        Ok(ChainConvolution { module: layer.module.to_owned(), padding, stride, pool })
    };
    layers.iter().enumerate().map(convolution).collect()
}

fn activation(fields: Fields<'_>) -> Result<Activation, Fault> {
    let name = fields.string("activation")?.unwrap_or("relu");
    let known = match name {
        "tanh" => Some(Activation::Tanh),
        "sigmoid" => Some(Activation::Sigmoid),
        other => Activation::from_name(other),
    };
    let possible = "`relu`, `gelu`, `gelu_new`, `silu`, `tanh`, `sigmoid`";
    known.ok_or_else(|| Fault::Activation { found: shorten(name), possible })
}
