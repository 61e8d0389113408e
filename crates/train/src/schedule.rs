//! The learning rate of every step.
//!
//!     warm-up:   η·t/w                                  t < w
//!     constant:  η        linear:  η·(1 − u)        cosine:  η·(1 + cos πu)/2        u = (t − w)/(T − w)
//!
//! t counts steps from 0, as transformers' schedules do.

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Along half a cosine, to 0.
    #[default]
    Cosine,
    /// Along a line, to 0.
    Linear,
    /// Not at all.
    Constant,
}

/// Learning rates over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest.
    pub learning_rate: f32,
    /// Steps of rising.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
    /// How it falls.
    pub shape: Shape,
}

impl Schedule {
    /// The learning rate of step `step`, from 0.
    pub fn at(&self, step: usize) -> f32 {
        if step < self.warmup {
            return self.learning_rate * (step as f64 / self.warmup as f64) as f32;
        }
        let left = self.steps.saturating_sub(self.warmup).max(1);
        let progress = ((step - self.warmup) as f64 / left as f64).min(1.0);
        let factor = match self.shape {
            Shape::Constant => 1.0,
            Shape::Linear => 1.0 - progress,
            Shape::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        };
        (f64::from(self.learning_rate) * factor) as f32
    }
}
