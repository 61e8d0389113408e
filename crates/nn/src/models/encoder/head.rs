//! The head of a classifier.
//!
//!     logits = w₂·f(w₁·x + b₁) + b₂        x: [n, d]  w₁: [d, d]  w₂: [classes, d]  f: tanh; distilbert: relu
//!
//! BERT's w₁ is its pooler; the other two have it in the head. A new head starts normal with the deviation that the
//! configuration names (0.02 where it names none) and biases of 0, as in transformers.

use crate::{Kind, Parameter, Pass, Result, layers::Linear, models::reader::Reader};
use rankine_checkpoint::{Config, Tensors, config::Architecture};
use rankine_random::Rng;
use rankine_tensor::Tensor;

pub(super) struct Head {
    dense: Linear,
    output: Linear,
    relu: bool,
    pub classes: usize,
}

impl Head {
    /// The file says how many classes there are.
    pub fn load(reader: &Reader<'_>, config: &Config) -> Result<Self> {
        let (d, [dense, output]) = (config.hidden_size, config.architecture.head());
        let name = format!("{output}.weight");
        let classes = reader.tensors.infos().get(&name).map_or(0, |info| info.rows());
        let weight = reader.parameter(&name, Kind::Head, &[classes, d])?;
        let bias = reader.parameter(&format!("{output}.bias"), Kind::Bias, &[classes])?;
        let relu = config.architecture == Architecture::Distilbert;
        let output = Linear { weight, bias: Some(bias) };
        Ok(Self { dense: reader.linear(dense, d, d)?, output, relu, classes })
    }

    /// [n, d] → [n, classes].
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let x = self.dense.forward(x, pass)?;
        self.output.forward(&if self.relu { x.relu() } else { x.tanh() }, pass)
    }

    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        [&self.dense, &self.output].into_iter().flat_map(Linear::parameters)
    }

    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        [&mut self.dense, &mut self.output].into_iter().flat_map(Linear::parameters_mut)
    }
}

/// Name, shape and numbers of the tensors of a head for so many classes that `tensors` lacks; each draws from the stream of
/// its own name.
pub fn missing_head(
    config: &Config,
    tensors: &dyn Tensors,
    classes: usize,
    rng: &Rng,
) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let (d, [dense, output]) = (config.hidden_size, config.architecture.head());
    let deviation = config.raw.get("initializer_range").and_then(|value| value.as_f64()).unwrap_or(0.02);
    let mut missing = Vec::new();
    for (module, outputs) in [(dense, d), (output, classes)] {
        let (weight, bias) = (format!("{module}.weight"), format!("{module}.bias"));
        if !tensors.infos().contains_key(&weight) {
            let numbers = rng.fork(&weight).normals(outputs * d, deviation as f32);
            missing.push((weight, vec![outputs, d], numbers));
            missing.push((bias, vec![outputs], vec![0.0; outputs]));
        }
    }
    missing
}
