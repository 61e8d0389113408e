//! A weight that is one tensor: w = value
//!
//! Trained as a whole (`full`, norms, biases), or frozen as it was loaded.

use super::{Leaf, Leaves, Scope, Weight, affine};
use crate::Result;
use rankine_tensor::{
    Frozen, Tensor, Var,
    ops::{self, Activation},
};
use std::sync::Arc;

/// One tensor of any shape.
#[derive(Debug)]
pub struct Dense {
    value: Leaf,
}

impl Dense {
    /// A frozen weight.
    pub fn frozen(value: impl Into<Frozen>) -> Self {
        Self { value: Leaf::Frozen(value.into()) }
    }

    /// A weight that is trained as a whole, from `value` on.
    pub fn trained(value: &Tensor) -> Self {
        Self { value: Leaf::Trained(Var::from_tensor(value)) }
    }
}

impl Leaves for Dense {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("value", &self.value);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("value", &mut self.value);
    }
}

impl Weight for Dense {
    fn dense(&self) -> Result<Tensor> {
        Ok(self.value.tensor())
    }

    fn constant(&self) -> Result<Frozen> {
        Ok(self.value.constant())
    }

    fn apply(&self, x: &Tensor, _scope: Scope<'_>) -> Result<Tensor> {
        Ok(match &self.value {
            Leaf::Trained(variable) => ops::linear(x, &variable.tensor())?,
            Leaf::Frozen(value) => ops::frozen_linear(x, value)?,
        })
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        match &self.value {
            Leaf::Trained(variable) => Ok(ops::affine(x, &variable.tensor(), bias, activation)?),
            Leaf::Frozen(Frozen::Wide(value)) => Ok(ops::affine(x, value, bias, activation)?),
            Leaf::Frozen(Frozen::Stored(_)) => affine(self, x, bias, activation, scope),
        }
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        Ok(match &self.value {
            Leaf::Trained(variable) => ops::embedding(&variable.tensor(), ids)?,
            Leaf::Frozen(value) => ops::frozen_rows(value, ids)?,
        })
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        Ok(match &self.value {
            Leaf::Trained(variable) => ops::losses(x, &variable.tensor(), targets)?,
            Leaf::Frozen(value) => ops::frozen_losses(x, value, targets)?,
        })
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        Ok(ops::frozen_score(x, &self.value.constant(), targets)?)
    }
}
