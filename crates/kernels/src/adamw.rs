//! AdamW with decoupled weight decay, of `torch.optim.AdamW`.
//!
//!     p ← p · (1 − η·λ)
//!     m ← m + (1 − β₁)·(g − m)          v ← β₂·v + (1 − β₂)·g²
//!     p ← p − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
//!
//! p, g, m, v: one length. The corrections of the bias are made in f64, and √(1 − β₂ᵗ) is multiplied into η and ε: a root
//! and one division a number are left, and the pass waits for memory. It reads four streams and writes three.

use crate::tasks::{self, CHUNK};

/// The constants of the rule that do not change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Decay of the mean of gradients, β₁.
    pub beta1: f32,
    /// Decay of the mean of squared gradients, β₂.
    pub beta2: f32,
    /// Added to the root of the second moment, ε.
    pub epsilon: f32,
}

impl Default for AdamW {
    /// The constants of torch.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// What one step multiplies with.
#[derive(Clone, Copy)]
struct Factors {
    keep: f32,
    first: f32,
    second: f32,
    second_keep: f32,
    /// η · √(1 − β₂ᵗ) / (1 − β₁ᵗ).
    rate: f32,
    /// ε · √(1 − β₂ᵗ).
    epsilon: f32,
}

impl AdamW {
    /// One step on parameters `p` with gradient `g` and moments `m`, `v`, which start as zeros; `step` counts from 1.
    ///
    /// # Panics
    /// When the lengths differ or `step` is 0.
    #[expect(clippy::too_many_arguments, reason = "four streams and three scalars of one formula")]
    pub fn update(
        &self,
        step: u64,
        learning_rate: f32,
        weight_decay: f32,
        p: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
    ) {
        assert!(step > 0, "AdamW counts its steps from 1");
        assert!(
            p.len() == g.len() && p.len() == m.len() && p.len() == v.len(),
            "AdamW's slices differ in length"
        );
        let factors = self.factors(step, f64::from(learning_rate), f64::from(weight_decay));
        let moments = m.chunks_mut(CHUNK).zip(v.chunks_mut(CHUNK));
        let tasks = p.chunks_mut(CHUNK).zip(g.chunks(CHUNK)).zip(moments).collect();
        tasks::run(tasks, |((p, g), (m, v))| advance(factors, p, g, m, v));
    }

    fn factors(&self, step: u64, learning_rate: f64, weight_decay: f64) -> Factors {
        let (beta1, beta2) = (f64::from(self.beta1), f64::from(self.beta2));
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powf(step as f64));
        let root = corrections[1].sqrt();
        Factors {
            keep: (1.0 - learning_rate * weight_decay) as f32,
            first: (1.0 - beta1) as f32,
            second: (1.0 - beta2) as f32,
            second_keep: self.beta2,
            rate: (learning_rate * root / corrections[0]) as f32,
            epsilon: (f64::from(self.epsilon) * root) as f32,
        }
    }
}

vectorised! {
    fn advance<V>(by: Factors, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            *m += by.first * (g - *m);
            *v = *v * by.second_keep + by.second * g * g;
            *p = *p * by.keep - by.rate * (*m / (v.sqrt() + by.epsilon));
        }
    }
}
