//! Vision transformers, with the names of transformers' ViTForImageClassification.
//!
//!     x = [cls; patches ⋆ image + b] + positions        one row a patch, the learned cls first
//!     per block:  x = block(x)                          `models/block.rs`, norms first, every row sees every other
//!     logits = norm(x_cls)·headᵀ + b
//!
//! Images of a batch are laid one under the other, [n·(1 + patches), d]. Departure: the dropout that their configurations
//! name is not applied in training; that of a method is.

use super::{
    ImageClassifier, Model, Storage,
    block::{Block, Projections},
    maps::{Blank, start},
    reader::Reader,
};
use crate::{
    Error, Kind, Parameter, Pass, Result,
    layers::{Conv2d, LayerNorm, Linear},
};
use rankine_checkpoint::{Dtype, TensorInfo, Tensors, config};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{Convolution, Heads, Span},
};
use std::{ops::Range, sync::Arc};

/// Query, key, value and output of a block's attention.
const ATTENTION: [&str; 4] = [
    "attention.attention.query",
    "attention.attention.key",
    "attention.attention.value",
    "attention.output.dense",
];
/// The two maps of its MLP.
const MLP: [&str; 2] = ["intermediate.dense", "output.dense"];

/// A vision transformer with a classification head.
pub struct Vit {
    config: config::Vit,
    /// [1, 1, d].
    cls: Parameter,
    /// [1, 1 + patches, d].
    positions: Parameter,
    patches: Conv2d,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    classes: usize,
}

impl Vit {
    /// Reads every weight, all frozen.
    ///
    /// # Errors
    /// When a tensor is missing, or has another shape than the configuration promises.
    pub fn load(config: &config::Vit, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let classes = reader.rows("classifier.weight");
        Self::build(&reader, config, classes)
    }

    /// A network of `classes` that starts from nothing, all of it trained: matrices and tables normal with deviation 0.02,
    /// as in transformers.
    ///
    /// # Errors
    /// [`Error::Setting`] when there is no class.
    pub fn new(config: &config::Vit, classes: usize, rng: &Rng) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Setting { name: "classes", expected: "one or more", found: "0".to_owned() });
        }
        let bias = |layer: usize, module: &str| {
            let outputs = if module == MLP[0] { config.intermediate_size } else { config.hidden_size };
            let info = TensorInfo { shape: vec![outputs], dtype: Dtype::F32, bytes: 4 * outputs as u64 };
            (format!("{}.bias", path(layer, module)), info)
        };
        let layers = (0..config.layers)
            .flat_map(|layer| ATTENTION.into_iter().chain(MLP).map(move |module| bias(layer, module)));
        let blank = Blank(layers.collect());
        let mut model = Self::build(&Reader { tensors: &blank, storage: Storage::F32 }, config, classes)?;
        start(&mut model, rng, |_| 0.02)?;
        Ok(model)
    }

    fn build(reader: &Reader<'_>, config: &config::Vit, classes: usize) -> Result<Self> {
        let &config::Vit { hidden_size: d, patch_size, channels, .. } = config;
        let table = |name: &str, rows| {
            reader.parameter(&format!("vit.embeddings.{name}"), Kind::Embedding, &[1, rows, d])
        };
        let module = "vit.embeddings.patch_embeddings.projection";
        let taps = [d, channels, patch_size, patch_size];
        let patches = Conv2d {
            weight: reader.parameter(&format!("{module}.weight"), Kind::Convolution, &taps)?,
            bias: Some(reader.parameter(&format!("{module}.bias"), Kind::Bias, &[d])?),
            layout: Convolution { stride: [patch_size; 2], ..Convolution::default() },
        };
        Ok(Self {
            cls: table("cls_token", 1)?,
            positions: table("position_embeddings", 1 + config.patches())?,
            patches,
            blocks: (0..config.layers).map(|layer| block(reader, config, layer)).collect::<Result<_>>()?,
            norm: reader.layer_norm("vit.layernorm", d, config.norm_epsilon)?,
            head: reader.head("classifier", classes, d)?,
            config: config.clone(),
            classes,
        })
    }

    /// Shape and constants.
    pub fn config(&self) -> &config::Vit {
        &self.config
    }

    /// The rows of all images; [n, c, h, w] → [n·(1 + patches), d].
    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let (d, patches) = (self.config.hidden_size, self.config.patches());
        let maps = self.patches.forward(images)?;
        let count = maps.shape()[0];
        let rows = maps.reshape(&[count, d, patches])?.permute(&[0, 2, 1])?;
        let cls = Tensor::zeros(&[count, 1, d]).add(&self.cls.weight.dense()?)?;
        let x = Tensor::concat(&[cls, rows], 1)?.add(&self.positions.weight.dense()?)?;
        Ok(x.reshape(&[count * (1 + patches), d])?)
    }

    /// What the head sees, the state of the first row; images: [n, c, h, w] → [n, d].
    ///
    /// # Errors
    /// [`Error::Setting`] when the images are not of the model's size.
    pub fn hidden<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        self.states(images, 0..1, pass)
    }

    /// The matrix of the head; [classes, d].
    pub fn head(&self) -> &Parameter {
        &self.head.weight
    }

    /// State of every patch after the last block and norm; images: [n, c, h, w] → [n·patches, d].
    ///
    /// # Errors
    /// [`Error::Setting`] when the images are not of the model's size.
    pub fn patch_states<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        self.states(images, 1..1 + self.config.patches(), pass)
    }

    /// State of some rows of every image after the last block and norm; [n, c, h, w] → [n·wanted, d].
    fn states<'m>(&'m self, images: &Tensor, wanted: Range<usize>, pass: &mut Pass<'m>) -> Result<Tensor> {
        let config::Vit { image_size, channels, hidden_size, .. } = self.config;
        let shape = images.shape();
        if shape.len() != 4 || shape[1..] != [channels, image_size, image_size] {
            let found = format!("{shape:?}");
            return Err(Error::Setting { name: "images", expected: "images of the model's size", found });
        }
        let mut x = self.embed(images)?;
        let (count, rows) = (shape[0], 1 + self.config.patches());
        let span = |image: usize| {
            let rows = image * rows..(image + 1) * rows;
            Span { queries: rows.clone(), keys: rows }
        };
        let spans: Arc<[Span]> = (0..count).map(span).collect();
        for block in &self.blocks {
            let spans = spans.clone();
            x = pass.block(x, move |x, pass| block.forward(x, &spans, pass))?;
        }
        let wanted_rows = x.reshape(&[count, rows, hidden_size])?.narrow(1, wanted.start, wanted.len())?;
        self.norm.forward(&wanted_rows.reshape(&[count * wanted.len(), hidden_size])?)
    }
}

fn path(layer: usize, module: &str) -> String {
    format!("vit.encoder.layer.{layer}.{module}")
}

fn block(reader: &Reader<'_>, config: &config::Vit, layer: usize) -> Result<Block> {
    let &config::Vit { hidden_size: d, intermediate_size: f, heads, .. } = config;
    let linear = |module: &str, outputs, inputs| reader.linear(&path(layer, module), outputs, inputs);
    let norm = |module: &str| reader.layer_norm(&path(layer, module), d, config.norm_epsilon);
    let [q, k, v, o] = ATTENTION.map(|module| linear(module, d, d));
    Ok(Block {
        attention_norm: norm("layernorm_before")?,
        projections: Projections::Separate(Box::new([q?, k?, v?])),
        o: o?,
        mlp_norm: norm("layernorm_after")?,
        up: linear(MLP[0], f, d)?,
        activation: config.activation,
        down: linear(MLP[1], d, f)?,
        heads: Heads { query: heads, key_value: heads, size: d / heads },
        norm_first: true,
        causal: false,
    })
}

impl Model for Vit {
    fn parameters(&self) -> Vec<&Parameter> {
        let ends = [&self.cls, &self.positions].into_iter().chain(self.patches.parameters());
        let blocks = self.blocks.iter().flat_map(Block::parameters);
        ends.chain(blocks).chain(self.norm.parameters()).chain(self.head.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { cls, positions, patches, blocks, norm, head, .. } = self;
        let ends = [cls, positions].into_iter().chain(patches.parameters_mut());
        let blocks = blocks.iter_mut().flat_map(Block::parameters_mut);
        ends.chain(blocks).chain(norm.parameters_mut()).chain(head.parameters_mut()).collect()
    }
}

impl ImageClassifier for Vit {
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        let hidden = self.hidden(images, pass)?;
        self.head.forward(&hidden, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}
