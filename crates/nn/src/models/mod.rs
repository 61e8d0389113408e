//! Models, and what every model can be asked for.

mod block;
mod chain;
mod classifier;
mod decoder;
mod encoder;
mod image;
mod lenet;
mod llama;
mod maps;
mod mlp;
mod mobilenet_v2;
mod reader;
mod resnet;
mod vit;

pub use chain::Chain;
pub use classifier::{SequenceClassifier, missing_head};
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use image::{load_image_classifier, new_image_head};
pub use lenet::LeNet;
pub use llama::Llama;
pub use mlp::Mlp;
pub use mobilenet_v2::MobileNetV2;
pub use resnet::{ResNet, ResNetSizes};
pub use vit::Vit;

use crate::{Error, Kind, Parameter, Pass, Result, weight::Dense};
use rankine_checkpoint::{Config, Tensors, config::Architecture};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops::Span};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The type in which matrices that are not trained lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// That of the file: f32, bf16, f16 or blocks of ggml.
    #[default]
    File,
    /// Widened to f32.
    F32,
    /// Rounded to bf16.
    Bf16,
}

/// A collection of parameters.
pub trait Model: Send + Sync {
    /// Every parameter, in a fixed order.
    fn parameters(&self) -> Vec<&Parameter>;
    /// The same, to change them.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;
}

/// A trained parameter that starts uniform with variance gain/inputs (kaiming), from the stream of its path; shape: [out, …].
fn kaiming(path: &str, kind: Kind, shape: &[usize], gain: f32, rng: &Rng) -> Result<Parameter> {
    let count = shape.iter().product::<usize>();
    let inputs = count / shape[0];
    // A uniform draw in ±√3·σ has standard deviation σ.
    let bound = (3.0 * gain / inputs as f32).sqrt();
    let weight = Tensor::new(rng.fork(path).uniforms(count, bound), shape)?;
    Ok(trained(path.to_owned(), kind, &weight))
}

fn trained(path: String, kind: Kind, value: &Tensor) -> Parameter {
    let mut parameter = Parameter::frozen(path, kind, value.clone());
    parameter.weight = Box::new(Dense::trained(value));
    parameter
}

/// Examples side by side: their tokens one after the other, with no padding.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Token of every row; [t].
    pub ids: Arc<[u32]>,
    /// Position of every row inside its example; [t].
    pub positions: Arc<[u32]>,
    /// Rows of every example; attention stays inside.
    pub spans: Arc<[Span]>,
    /// Which text of a pair every row belongs to, for models that tell them apart; the first where `None`; [t].
    pub types: Option<Arc<[u32]>>,
}

impl Tokens {
    /// Examples of the given lengths, one after the other in `ids`; rows beyond the last length belong to none.
    pub fn packed(ids: &[u32], lengths: &[usize]) -> Self {
        let starts = lengths.iter().scan(0, |next, &length| {
            let start = *next;
            *next += length;
            Some(start)
        });
        let spans = starts.zip(lengths).map(|(start, &length)| {
            let rows = start..start + length;
            Span { queries: rows.clone(), keys: rows }
        });
        let positions = lengths.iter().flat_map(|&length| 0..length as u32).collect();
        Self { ids: ids.into(), positions, spans: spans.collect(), types: None }
    }

    /// The same with the text of a pair that every row belongs to; [t].
    pub fn with_types(self, types: &[u32]) -> Self {
        Self { types: Some(types.into()), ..self }
    }

    /// One text.
    pub fn single(ids: &[u32]) -> Self {
        Self::packed(ids, &[ids.len()])
    }

    /// Tokens of the longest example.
    fn longest(&self) -> usize {
        self.positions.iter().max().map_or(0, |&last| last as usize + 1)
    }
}

/// A model that tells texts apart.
pub trait Classifier: Model {
    /// Scores of every class for every example; [examples, classes].
    fn logits<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor>;

    /// How many classes there are.
    fn classes(&self) -> usize;

    /// Longest example it was made for, in tokens.
    fn context(&self) -> usize;
}

/// A model that tells images apart.
pub trait ImageClassifier: Model {
    /// Scores of every class for every image; images: [n, c, h, w] → [n, classes].
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor>;

    /// How many classes there are.
    fn classes(&self) -> usize;
}

/// A model that continues texts.
pub trait LanguageModel: Model {
    /// Its configuration.
    fn config(&self) -> &Config;

    /// State of every row after the last layer and norm, ready for the head; [t, d].
    fn hidden<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor>;

    /// The output head.
    fn head(&self) -> &Parameter;

    /// State of the last of `ids`, which continue the text in `cache`; [1, d].
    fn extend(&self, ids: &[u32], cache: &mut Cache) -> Result<Tensor>;

    /// Longest text it was made for, in tokens.
    fn context(&self) -> usize {
        self.config().context
    }

    /// Size of the vocabulary.
    fn vocabulary(&self) -> usize {
        self.config().vocabulary
    }

    /// A fresh cache for texts that are continued token by token.
    fn cache(&self) -> Cache {
        Cache::new(self.config().layers)
    }

    /// Scores of every token after every row of `hidden`: [t, d] → [t, v].
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.head().weight.apply(hidden, crate::Scope::QUIET)
    }
}

/// Reads the language model that `config` names, all weights frozen. `tensors` may be a checkpoint, or one with an adapter
/// merged in.
///
/// # Errors
/// When it is no language model, a tensor is missing, or has another shape than the configuration promises.
pub fn load(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Box<dyn LanguageModel>> {
    if config.tells_classes() && !config.architecture.is_encoder() {
        return Err(Error::NoLanguageHead { found: config.architecture.name() });
    }
    body(config, tensors, storage)
}

/// The same without its head, where that is one for classes.
fn body(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Box<dyn LanguageModel>> {
    Ok(match config.architecture {
        Architecture::Llama | Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3 => {
            Box::new(Llama::load(config, tensors, storage)?)
        }
        Architecture::Gpt2 => Box::new(Decoder::gpt2(config, tensors, storage)?),
        Architecture::Opt => Box::new(Decoder::opt(config, tensors, storage)?),
        Architecture::Bert | Architecture::Roberta | Architecture::Distilbert => {
            return Err(Error::NotLanguage { found: config.architecture.name() });
        }
    })
}

/// Reads a classifier, as [`load`] reads a language model.
///
/// # Errors
/// As [`load`]; also when there is no head for classes.
pub fn load_classifier(
    config: &Config,
    tensors: &dyn Tensors,
    storage: Storage,
) -> Result<Box<dyn Classifier>> {
    Ok(match config.architecture.is_encoder() {
        true => Box::new(Encoder::load(config, tensors, storage)?),
        false => Box::new(SequenceClassifier::load(config, tensors, storage)?),
    })
}

/// An error unless a model can read `ids`, the longest text among them of `tokens` tokens.
fn check_text(config: &Config, ids: &[u32], tokens: usize) -> Result<()> {
    let &Config { vocabulary, context, .. } = config;
    if let Some(&token) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        return Err(Error::Token { token, vocabulary });
    }
    if tokens > context { Err(Error::Context { tokens, context }) } else { Ok(()) }
}

/// How many tokens there are before and with `ids`, which continue the text in `cache`; an error unless they can.
fn check_continued(config: &Config, ids: &[u32], cache: &Cache) -> Result<(usize, usize)> {
    if ids.is_empty() {
        let (expected, found) = ("at least one token", "none".to_owned());
        return Err(Error::Setting { name: "ids", expected, found });
    }
    let tokens = cache.length + ids.len();
    check_text(config, ids, tokens)?;
    Ok((cache.length, tokens))
}

/// Keys and values of a text so far, layer by layer.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    layers: Vec<LayerCache>,
    length: usize,
}

/// Keys and values of one layer; [tokens, hkv·d] each.
#[derive(Clone, Debug, Default)]
struct LayerCache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Cache {
    fn new(layers: usize) -> Self {
        Self { layers: vec![LayerCache::default(); layers], length: 0 }
    }

    /// Forgets all but the first `tokens`.
    pub fn truncate(&mut self, tokens: usize) {
        if tokens >= self.length {
            return;
        }
        for layer in &mut self.layers {
            for side in [&mut layer.keys, &mut layer.values] {
                side.truncate(side.len() / self.length * tokens);
            }
        }
        self.length = tokens;
    }

    /// How many tokens it holds.
    pub fn tokens(&self) -> usize {
        self.length
    }
}
