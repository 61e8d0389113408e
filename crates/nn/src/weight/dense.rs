//! A weight that is one tensor: w = value
//!
//! Trained as a whole (`full`, norms, biases), or frozen as it was loaded.

use super::{Leaf, Leaves, Weight};
use crate::Result;
use rankine_tensor::{Tensor, Var};

/// One tensor of any shape.
#[derive(Debug)]
pub struct Dense {
    value: Leaf,
}

impl Dense {
    /// A frozen weight.
    pub fn frozen(value: Tensor) -> Self {
        Self { value: Leaf::Frozen(value) }
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
}
