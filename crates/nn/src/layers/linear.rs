//! y = x·wᵀ + b, with x: [t, in], w: [out, in], b: [out]

use crate::{Parameter, Pass, Result};
use rankine_checkpoint::config::Activation as Function;
use rankine_tensor::{
    Tensor,
    ops::{self, Activation},
};

/// A linear map with an optional bias.
pub struct Linear {
    /// The map; [out, in].
    pub weight: Parameter,
    /// The added vector; [out].
    pub bias: Option<Parameter>,
}

impl Linear {
    /// y = x·wᵀ + b; [t, in] → [t, out].
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.activated(x, Activation::None, pass)
    }

    /// f(x·wᵀ + b); [t, in] → [t, out].
    pub fn activated(&self, x: &Tensor, activation: Activation, pass: &Pass<'_>) -> Result<Tensor> {
        let (weight, scope) = (&self.weight.weight, pass.scope(self.weight.path()));
        match (&self.bias, activation) {
            (Some(bias), _) => weight.affine(x, &bias.weight.dense()?, activation, scope),
            (None, Activation::None) => weight.apply(x, scope),
            (None, Activation::Relu) => Ok(weight.apply(x, scope)?.relu()),
        }
    }

    /// f(x·wᵀ + b) for any activation of a configuration; [t, in] → [t, out].
    pub fn followed_by(&self, f: Function, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        match f {
            Function::Relu => self.activated(x, Activation::Relu, pass),
            _ => function(f, &self.forward(x, pass)?),
        }
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

/// f(x) for any activation of a configuration; any shape.
pub(crate) fn function(f: Function, x: &Tensor) -> Result<Tensor> {
    Ok(match f {
        Function::Relu => x.relu(),
        Function::Gelu => ops::gelu(x)?,
        Function::GeluTanh => ops::gelu_tanh(x)?,
        Function::Silu => x.mul(&x.sigmoid())?,
        Function::Tanh => x.tanh(),
        Function::Sigmoid => x.sigmoid(),
    })
}
