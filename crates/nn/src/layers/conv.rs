//! y = pool(f(w ⋆ x + b)), with x: [n, c, h, w], w: [k, c/groups, r, s], b: [k]

use crate::{Parameter, Result};
use rankine_tensor::{Tensor, ops::Convolution};

/// A convolution with an optional bias, and what follows it.
pub struct Conv2d {
    /// The taps; [k, c/groups, r, s].
    pub weight: Parameter,
    /// The added vector; [k].
    pub bias: Option<Parameter>,
    /// Stride, padding, groups, activation, pooling.
    pub layout: Convolution,
}

impl Conv2d {
    /// y for x: [n, c, h, w]; [n, k, i, j].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|bias| bias.weight.dense()).transpose()?;
        self.weight.weight.convolve(x, None, bias.as_ref(), &self.layout)
    }

    /// Its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// The same, to change them.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        std::iter::once(&mut self.weight).chain(&mut self.bias)
    }
}
