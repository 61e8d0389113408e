//! RmsNorm: y = x / √(mean(x²) + ε) ∘ w, row by row or head by head;
//! LayerNorm: y = (x − mean(x)) / √(var(x) + ε) ∘ w + b, row by row

use crate::{Parameter, Result};
use rankine_tensor::{Tensor, ops};

/// Root-mean-square norm.
pub struct RmsNorm {
    /// Factors; [d].
    pub weight: Parameter,
    /// ε.
    pub epsilon: f32,
}

impl RmsNorm {
    /// Norm of every row of x: [t, d].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::rms_norm(x, &self.weight.weight.dense()?, self.epsilon)?)
    }

    /// Norm of every head of x: [t, h·d], with w: [d].
    pub fn forward_heads(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        let shape = x.matrix("norm of heads")?;
        let heads = x.reshape(&[shape[0] * shape[1] / size.max(1), size])?;
        Ok(self.forward(&heads)?.reshape(&shape)?)
    }
}

/// Layer norm.
pub struct LayerNorm {
    /// Factors; [d].
    pub weight: Parameter,
    /// The added vector; [d].
    pub bias: Parameter,
    /// ε.
    pub epsilon: f32,
}

impl LayerNorm {
    /// Norm of every row; x: [t, d] → [t, d].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::layer_norm(x, &self.weight.weight.dense()?, &self.bias.weight.dense()?, self.epsilon)?)
    }

    /// Its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        [&self.weight, &self.bias].into_iter()
    }

    /// The same, to change them.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        [&mut self.weight, &mut self.bias].into_iter()
    }
}
