//! The head of a classifier.
//!
//!     logits = w₂·f(w₁·x + b₁) + b₂        x: [n, d]  w₁: [d, d]  w₂: [classes, d]  f: tanh; distilbert: relu
//!
//! BERT's w₁ is its pooler; the other two have it in the head.

use crate::{Error, Kind, Parameter, Pass, Result, layers::Linear, models::reader::Reader};
use rankine_checkpoint::{Config, config::Architecture};
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
        let &[dense, output] = config.architecture.head() else {
            return Err(Error::Family { found: config.architecture.name() });
        };
        let (d, name) = (config.hidden_size, format!("{output}.weight"));
        let classes = reader.rows(&name);
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
