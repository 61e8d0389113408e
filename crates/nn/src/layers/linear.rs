//! y = x·wᵀ + b, with x: [t, in], w: [out, in], b: [out]

use crate::{Parameter, Pass, Result, Scope};
use rankine_tensor::Tensor;

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
        self.apply(x, pass.scope(self.weight.path()))
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        let y = self.weight.weight.apply(x, scope)?;
        match &self.bias {
            None => Ok(y),
            Some(bias) => {
                let bias = bias.weight.dense()?;
                Ok(y.add(&bias.reshape(&[1, bias.elements()])?)?)
            }
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
