//! Small residual networks for small images, with torchvision's names.
//!
//!     x = relu(norm(conv1 ⋆ images))
//!     per block:  x = relu(norm(w₂ ⋆ relu(norm(w₁ ⋆ x))) + shortcut(x))
//!     logits = mean over pixels of x · fcᵀ + b
//!
//! All kernels are 3 × 3. Each stage after the first halves height and width and doubles the channels, through the stride of its
//! first block; there the shortcut is a 1 × 1 convolution with a norm, elsewhere it is x. With n blocks in each of three
//! stages that is ResNet-(6n + 2): ResNet-8 for n = 1, ResNet-20 for n = 3.
//!
//! Paper: [resnet] §4.2. Departure: shortcuts are projections (option B), as in torchvision; batch norm as in
//! [`BatchNorm2d`](crate::layers::BatchNorm2d).

use super::{
    ImageClassifier, Model, Storage,
    maps::{Blank, pooled, start},
    reader::Reader,
};
use crate::{
    Error, Parameter, Pass, Result,
    layers::{BatchNorm2d, ConvNorm, Following, Linear, Statistics},
};
use indexmap::IndexMap;
use rankine_checkpoint::Tensors;
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};

/// The sizes of a [`ResNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetSizes {
    /// Colours of a pixel.
    pub channels: usize,
    /// Channels of the first stage.
    pub width: usize,
    /// Blocks of every stage.
    pub blocks: Vec<usize>,
    /// Classes to tell apart.
    pub classes: usize,
}

/// A small residual network, for images of any size.
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: Linear,
    classes: usize,
}

struct Block {
    layers: [ConvNorm; 2],
    shortcut: Option<ConvNorm>,
}

impl ResNet {
    /// A network that starts from nothing, all of it trained, with the statistics of the batch at hand.
    ///
    /// Taps and head start normal with variance 2/in and 1/in.
    ///
    /// # Errors
    /// [`Error::Setting`] when a size is 0 or there is no stage.
    pub fn new(sizes: &ResNetSizes, rng: &Rng) -> Result<Self> {
        let ResNetSizes { channels, width, blocks, classes } = sizes;
        if [channels, width, classes].into_iter().chain(blocks).any(|&size| size == 0)
            || !(1..=8).contains(&blocks.len())
        {
            let (expected, found) = ("sizes above 0, and 1 to 8 stages", format!("{sizes:?}"));
            return Err(Error::Setting { name: "sizes", expected, found });
        }
        let blank = Blank(IndexMap::new());
        let mut model = Self::build(&Reader { tensors: &blank, storage: Storage::F32 }, sizes)?;
        model.norms_mut().for_each(|norm| norm.statistics = Statistics::default());
        start(&mut model, rng, |shape| {
            let inputs: usize = shape[1..].iter().product();
            let gain: f32 = if shape.len() == 4 { 2.0 } else { 1.0 };
            (gain / inputs as f32).sqrt()
        })?;
        Ok(model)
    }

    /// Reads every weight, all frozen; norms keep the statistics of the file, which also tells the sizes.
    ///
    /// # Errors
    /// When a tensor is missing, or its shape does not fit those before it.
    pub fn load(tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let sides = tensors.infos().get("conv1.weight").map(|info| info.shape.as_slice());
        let (width, channels) = match sides {
            Some(&[width, channels, ..]) => (width, channels),
            _ => (0, 0),
        };
        let there =
            |stage: usize, block: usize| reader.rows(&format!("{}.conv1.weight", path(stage, block))) > 0;
        let blocks = |stage| (0..).take_while(|&block| there(stage, block)).count();
        let blocks = (0..).map(blocks).take_while(|&blocks| blocks > 0).collect();
        let classes = reader.rows("fc.weight");
        Self::build(&reader, &ResNetSizes { channels, width, blocks, classes })
    }

    fn build(reader: &Reader<'_>, sizes: &ResNetSizes) -> Result<Self> {
        let &ResNetSizes { channels, width, ref blocks, classes } = sizes;
        let stem = reader.conv_norm(
            ["conv1", "bn1"].map(str::to_owned),
            [width, channels, 3, 3],
            (1, 1),
            Following::Relu,
        )?;
        let (mut layers, mut inputs, mut outputs) = (Vec::new(), width, width);
        for (stage, &count) in blocks.iter().enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                layers.push(Block::build(reader, &path(stage, index), [outputs, inputs], stride)?);
                inputs = outputs;
            }
            outputs = 2 * inputs;
        }
        Ok(Self { stem, blocks: layers, head: reader.head("fc", classes, inputs)?, classes })
    }

    /// Counts the statistics of all images in `batches` and keeps them from now on: the end of a training from nothing, or a
    /// change to images of another kind. Each norm sees what those before it make of a batch.
    ///
    /// # Errors
    /// When there is no batch, or its shape does not fit.
    pub fn calibrate(&mut self, batches: impl IntoIterator<Item = Tensor>) -> Result<()> {
        self.norms_mut().for_each(|norm| norm.statistics = Statistics::default());
        for images in batches {
            untaped(|| self.logits(&images, &mut Pass::quiet()))?;
        }
        self.norms_mut().try_for_each(BatchNorm2d::settle)
    }

    fn norms_mut(&mut self) -> impl Iterator<Item = &mut BatchNorm2d> {
        let blocks = self.blocks.iter_mut().flat_map(Block::layers_mut);
        std::iter::once(&mut self.stem).chain(blocks).map(|layer| &mut layer.norm)
    }
}

/// Path of a block, counted from 0.
fn path(stage: usize, block: usize) -> String {
    format!("layer{}.{block}", stage + 1)
}

impl Block {
    fn build(reader: &Reader<'_>, path: &str, sides: [usize; 2], stride: usize) -> Result<Self> {
        let [outputs, inputs] = sides;
        let layer = |names: [&str; 2], inputs, kernel, stride, following| {
            let names = names.map(|name| format!("{path}.{name}"));
            let taps = [outputs, inputs, kernel, kernel];
            reader.conv_norm(names, taps, (stride, 1), following)
        };
        let shortcut = (stride != 1 || inputs != outputs)
            .then(|| layer(["downsample.0", "downsample.1"], inputs, 1, stride, Following::Nothing));
        let layers = [
            layer(["conv1", "bn1"], inputs, 3, stride, Following::Relu)?,
            layer(["conv2", "bn2"], outputs, 3, 1, Following::Nothing)?,
        ];
        Ok(Self { layers, shortcut: shortcut.transpose()? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.layers;
        let y = second.forward(&first.forward(x)?)?;
        let sum = match &self.shortcut {
            Some(shortcut) => y.add(&shortcut.forward(x)?)?,
            None => y.add(x)?,
        };
        Ok(sum.relu())
    }

    fn layers(&self) -> impl Iterator<Item = &ConvNorm> {
        self.layers.iter().chain(&self.shortcut)
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        self.layers.iter_mut().chain(&mut self.shortcut)
    }
}

impl Model for ResNet {
    fn parameters(&self) -> Vec<&Parameter> {
        let layers = std::iter::once(&self.stem).chain(self.blocks.iter().flat_map(Block::layers));
        layers.flat_map(ConvNorm::parameters).chain(self.head.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { stem, blocks, head, .. } = self;
        let layers = std::iter::once(stem).chain(blocks.iter_mut().flat_map(Block::layers_mut));
        layers.flat_map(ConvNorm::parameters_mut).chain(head.parameters_mut()).collect()
    }
}

impl ImageClassifier for ResNet {
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        let mut x = self.stem.forward(images)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.head.forward(&pooled(&x)?, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}
