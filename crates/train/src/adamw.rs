//! AdamW: Adam with decoupled weight decay.
//!
//!     p ← p·(1 − η·λ),  m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  p ← p − η·m̂/(√v̂ + ε)
//!
//! with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ). Norms and biases do not decay.

use crate::Optimizer;
use rankine_kernels::adamw;
use rankine_nn::{Kind, Place};
use rankine_tensor::Var;

/// The optimizer and its moments.
#[derive(Clone, Debug)]
pub struct AdamW {
    kernel: adamw::AdamW,
    weight_decay: f32,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

impl AdamW {
    /// With moment decays β₁ and β₂, ε = 1e-8 and weight decay λ.
    pub fn new(beta1: f32, beta2: f32, weight_decay: f32) -> Self {
        let kernel = adamw::AdamW { beta1, beta2, epsilon: 1e-8 };
        Self { kernel, weight_decay, first: Vec::new(), second: Vec::new() }
    }
}

impl Default for AdamW {
    fn default() -> Self {
        Self::new(0.9, 0.999, 0.0)
    }
}

impl Optimizer for AdamW {
    fn update(&mut self, place: &Place, variable: &mut Var, gradient: &[f32], step: u64, learning_rate: f32) {
        for moments in [&mut self.first, &mut self.second] {
            moments.resize_with(moments.len().max(place.index + 1), Vec::new);
            moments[place.index].resize(gradient.len(), 0.0);
        }
        let decay = if matches!(place.kind, Kind::Norm | Kind::Bias) { 0.0 } else { self.weight_decay };
        let (first, second) = (&mut self.first[place.index], &mut self.second[place.index]);
        variable.update(|values| {
            self.kernel.update(step, learning_rate, decay, values, gradient, first, second);
        });
    }

    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)> {
        vec![("first", &mut self.first), ("second", &mut self.second)]
    }
}
