//! Models, and what every model can be asked for.

mod lenet;
mod llama;
mod mlp;

pub use lenet::LeNet;
pub use llama::Llama;
pub use mlp::Mlp;

use crate::{Kind, Parameter, Pass, Result, weight::Dense};
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
        Self { ids: ids.into(), positions, spans: spans.collect() }
    }

    /// One text.
    pub fn single(ids: &[u32]) -> Self {
        Self::packed(ids, &[ids.len()])
    }
}

/// A model that continues texts.
pub trait LanguageModel: Model {
    /// State of every row after the last layer and norm, ready for the head; [t, d].
    fn hidden<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor>;

    /// The output head.
    fn head(&self) -> &Parameter;

    /// Longest text it was made for, in tokens.
    fn context(&self) -> usize;

    /// Size of the vocabulary.
    fn vocabulary(&self) -> usize;

    /// A fresh cache for texts that are continued token by token.
    fn cache(&self) -> Cache;

    /// State of the last of `ids`, which continue the text in `cache`; [1, d].
    fn extend(&self, ids: &[u32], cache: &mut Cache) -> Result<Tensor>;

    /// Scores of every token after every row of `hidden`: [t, d] → [t, v].
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.head().weight.apply(hidden, crate::Scope::QUIET)
    }
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
