//! AdamW: Adam with decoupled weight decay, and learning rates of their own for leaves of some names.
//!
//!     p ← p·(1 − η·λ),  m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  p ← p − η·m̂/(√v̂ + ε)
//!
//! with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ). Norms and biases do not decay. η is that of the schedule, times the factor of the
//! leaf's name where it has one: LoRA+ moves the output-side factors `b` of low-rank branches faster than all others.
//! Paper: [lora_plus] §4. Departure from peft, which moves vectors (biases, norms, DoRA's magnitudes) faster too: the
//! paper's argument is about b alone.

use crate::{Error, Optimizer, Result};
use rankine_kernels::adamw;
use rankine_nn::{Kind, Model, Place, for_each_trained};
use rankine_tensor::Var;
use std::collections::BTreeSet;

/// The optimizer and its moments.
#[derive(Clone, Debug)]
pub struct AdamW {
    kernel: adamw::AdamW,
    weight_decay: f32,
    /// Name of a leaf and the factor of its learning rate.
    rates: Vec<(&'static str, f32)>,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

impl AdamW {
    /// With moment decays β₁ and β₂, ε = 1e-8 and weight decay λ.
    pub fn new(beta1: f32, beta2: f32, weight_decay: f32) -> Self {
        let kernel = adamw::AdamW { beta1, beta2, epsilon: 1e-8 };
        Self { kernel, weight_decay, rates: Vec::new(), first: Vec::new(), second: Vec::new() }
    }

    /// The learning rate of leaves called `leaf` is multiplied by `factor`.
    pub fn with_rate(mut self, leaf: &'static str, factor: f32) -> Self {
        self.rates.push((leaf, factor));
        self
    }

    /// Whether the rates can be meant for `model`.
    ///
    /// # Errors
    /// When a factor is not above 0 and finite, or no trained leaf bears its name.
    pub fn check(&self, model: &(impl Model + ?Sized)) -> Result<()> {
        let mut known = BTreeSet::new();
        for_each_trained(model, &mut |place, _| {
            known.insert(leaf_of(&place).to_owned());
        });
        for &(leaf, factor) in &self.rates {
            if !(0.0 < factor && factor.is_finite()) {
                let found = factor.to_string();
                return Err(Error::Setting { name: "ratio of learning rates", expected: "above 0", found });
            }
            if !known.contains(leaf) {
                return Err(Error::NoLeaf { leaf, known: known.into_iter().collect() });
            }
        }
        Ok(())
    }

    /// The factor of a leaf's learning rate.
    fn rate(&self, place: &Place) -> f32 {
        let leaf = leaf_of(place);
        self.rates.iter().find(|(name, _)| *name == leaf).map_or(1.0, |(_, factor)| *factor)
    }
}

/// The leaf's own name.
fn leaf_of(place: &Place) -> &str {
    place.name.rsplit('/').next().unwrap_or_default()
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
        let learning_rate = learning_rate * self.rate(place);
        let (first, second) = (&mut self.first[place.index], &mut self.second[place.index]);
        variable.update(|values| {
            self.kernel.update(step, learning_rate, decay, values, gradient, first, second);
        });
    }

    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)> {
        vec![("first", &mut self.first), ("second", &mut self.second)]
    }
}
