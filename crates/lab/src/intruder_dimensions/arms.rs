//! Full fine-tuning, and LoRA of several ranks.
//!
//!     W = W₀ + (α/r)·b·a        α = 2r, learning rate η₁/r: α·η is the same for all ranks
//!
//! Paper: [intruder], its first setting.

use crate::transfer::{FULL, ranked};
use rankine_method::{Choice, full::Full, lora::Lora};

/// How the arms are trained.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Setting {
    /// Learning rates of full fine-tuning; the training loss of the first is what all other runs go to.
    pub full_rates: Vec<f32>,
    /// r, ascending; α = 2r.
    pub ranks: Vec<usize>,
    /// Learning rate of LoRA of rank 1; that of rank r is the r-th part.
    pub lora_rate: f32,
    /// Steps of full fine-tuning.
    pub steps: usize,
    /// λ, descending.
    pub factors: Vec<f64>,
}

impl Setting {
    pub fn arms(&self) -> Vec<Arm> {
        let full = self.full_rates.iter().enumerate().map(|(at, &rate)| {
            let label = if at == 0 { FULL.to_owned() } else { format!("{FULL} at {rate:e}") };
            Arm { label, choice: Choice::Full(Full::default()), rate }
        });
        let lora = self.ranks.iter().map(|&rank| {
            let method = Lora { rank, alpha: Some(2.0 * rank as f32), ..Lora::default() };
            Arm {
                label: ranked("LoRA", rank),
                choice: Choice::Lora(method),
                rate: self.lora_rate / rank as f32,
            }
        });
        full.chain(lora).collect()
    }
}

/// Something that trains the modules.
pub(super) struct Arm {
    pub label: String,
    pub choice: Choice,
    pub rate: f32,
}
