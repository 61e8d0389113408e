//! MobileNetV2, with torchvision's names.
//!
//!     x = stem(images)
//!     per block:  y = project(depthwise(expand(x)))      x = x + y where sizes and channels allow it, else y
//!     logits = mean over pixels of last(x) · headᵀ + b
//!
//! Every part is a convolution with a norm; relu6 follows all of them but `project`. `depthwise` has one group a channel. The
//! first block has no `expand`. Widths are those of the file, strides those of the paper.
//!
//! Paper: [mobilenet_v2] table 2. Departure: the dropout before the head is not applied in training; that of a method is.

use super::{ImageClassifier, Model, Storage, maps::pooled, reader::Reader};
use crate::{
    Parameter, Pass, Result,
    layers::{ConvNorm, Following, Linear},
};
use rankine_checkpoint::Tensors;
use rankine_tensor::Tensor;

/// Blocks of every stage, and the stride of its first.
const STAGES: [(usize, usize); 7] = [(1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1)];

/// An image classifier of depthwise convolutions, for images of any size.
pub struct MobileNetV2 {
    stem: ConvNorm,
    blocks: Vec<Block>,
    last: ConvNorm,
    head: Linear,
    classes: usize,
}

struct Block {
    layers: Vec<ConvNorm>,
    residual: bool,
}

impl MobileNetV2 {
    /// Reads every weight, all frozen; norms keep the statistics of the file.
    ///
    /// # Errors
    /// When a tensor is missing, or its shape does not fit those before it.
    pub fn load(tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let sides = tensors.infos().get("features.0.0.weight").map(|info| info.shape.as_slice());
        let (mut width, channels) = match sides {
            Some(&[width, channels, ..]) => (width, channels),
            _ => (0, 0),
        };
        let whole = |path: &str, taps, stride| {
            let names = ["0", "1"].map(|name| format!("{path}.{name}"));
            reader.conv_norm(names, taps, (stride, 1), Following::Relu6)
        };
        let stem = whole("features.0", [width, channels, 3, 3], 2)?;
        let mut blocks = Vec::new();
        for (count, stride) in STAGES {
            for index in 0..count {
                let path = format!("features.{}.conv", blocks.len() + 1);
                let (block, outputs) = block(&reader, &path, width, if index == 0 { stride } else { 1 })?;
                blocks.push(block);
                width = outputs;
            }
        }
        let path = format!("features.{}", blocks.len() + 1);
        let outputs = reader.rows(&format!("{path}.0.weight"));
        let last = whole(&path, [outputs, width, 1, 1], 1)?;
        let classes = reader.rows("classifier.1.weight");
        let head = reader.head("classifier.1", classes, outputs)?;
        Ok(Self { stem, blocks, last, head, classes })
    }

    fn layers(&self) -> impl Iterator<Item = &ConvNorm> {
        let blocks = self.blocks.iter().flat_map(|block| &block.layers);
        std::iter::once(&self.stem).chain(blocks).chain([&self.last])
    }
}

/// The block at `path`, and how many channels it gives.
fn block(reader: &Reader<'_>, path: &str, inputs: usize, stride: usize) -> Result<(Block, usize)> {
    let expands = reader.rows(&format!("{path}.3.weight")) > 0;
    let hidden = if expands { reader.rows(&format!("{path}.0.0.weight")) } else { inputs };
    let layer = |names: [&str; 2], taps, moves, following| {
        let names = names.map(|name| format!("{path}.{name}"));
        reader.conv_norm(names, taps, moves, following)
    };
    let (depthwise, project) =
        if expands { (["1.0", "1.1"], ["2", "3"]) } else { (["0.0", "0.1"], ["1", "2"]) };
    let outputs = reader.rows(&format!("{path}.{}.weight", project[0]));
    let mut layers = Vec::new();
    if expands {
        layers.push(layer(["0.0", "0.1"], [hidden, inputs, 1, 1], (1, 1), Following::Relu6)?);
    }
    layers.push(layer(depthwise, [hidden, 1, 3, 3], (stride, hidden), Following::Relu6)?);
    layers.push(layer(project, [outputs, hidden, 1, 1], (1, 1), Following::Nothing)?);
    Ok((Block { layers, residual: stride == 1 && inputs == outputs }, outputs))
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.layers.iter().try_fold(x.clone(), |y, layer| layer.forward(&y))?;
        Ok(if self.residual { x.add(&y)? } else { y })
    }
}

impl Model for MobileNetV2 {
    fn parameters(&self) -> Vec<&Parameter> {
        self.layers().flat_map(ConvNorm::parameters).chain(self.head.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { stem, blocks, last, head, .. } = self;
        let blocks = blocks.iter_mut().flat_map(|block| &mut block.layers);
        let layers = std::iter::once(stem).chain(blocks).chain([last]);
        layers.flat_map(ConvNorm::parameters_mut).chain(head.parameters_mut()).collect()
    }
}

impl ImageClassifier for MobileNetV2 {
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        let mut x = self.stem.forward(images)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.head.forward(&pooled(&self.last.forward(&x)?)?, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}
