//! y = f(norm(w ⋆ x)), with x: [n, c, h, w], w: [k, c/groups, r, s], f: nothing, relu or relu6
//!
//! Where the norm's statistics are kept it is part of the convolution: (factor ∘ w) ⋆ x + shift, channel by channel of y.

use super::BatchNorm2d;
use crate::{Parameter, Result};
use rankine_tensor::{
    Tensor,
    ops::{Activation, Convolution},
};

/// What follows a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// Nothing.
    Nothing,
    /// max(y, 0).
    Relu,
    /// min(max(y, 0), 6).
    Relu6,
}

/// A convolution without a bias, the norm behind it, and what follows.
pub struct ConvNorm {
    /// The taps; [k, c/groups, r, s].
    pub weight: Parameter,
    /// Stride, padding, groups; nothing behind the convolution itself.
    pub layout: Convolution,
    /// The norm of its k channels.
    pub norm: BatchNorm2d,
    /// f.
    pub following: Following,
}

impl ConvNorm {
    /// y for x: [n, c, h, w]; [n, k, i, j].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = &self.weight.weight;
        let Some([factor, shift]) = self.norm.folded()? else {
            return Ok(self.after(self.norm.forward(&weight.convolve(x, None, None, &self.layout)?)?));
        };
        let fused = match self.following {
            Following::Relu => Convolution { activation: Activation::Relu, ..self.layout },
            Following::Nothing | Following::Relu6 => self.layout,
        };
        let y = weight.convolve(x, Some(&factor), Some(&shift), &fused)?;
        Ok(if fused == self.layout { self.after(y) } else { y })
    }

    fn after(&self, y: Tensor) -> Tensor {
        match self.following {
            Following::Nothing => y,
            Following::Relu => y.relu(),
            Following::Relu6 => y.relu6(),
        }
    }

    /// Its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        std::iter::once(&self.weight).chain(self.norm.parameters())
    }

    /// The same, to change them.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        std::iter::once(&mut self.weight).chain(self.norm.parameters_mut())
    }
}
