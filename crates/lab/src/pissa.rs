//! [pissa]: principal singular values make LoRA's loss fall faster.
//!
//! A. Transfer: a small classifier of Fashion-MNIST's classes 0, 2, 4, 6, 3 is moved to 1, 5, 7, 8, 9, its hidden
//!    layers trained in full, by LoRA and by PiSSA at the same learning rates. Shows: early loss full < PiSSA < LoRA
//!    (the paper's toy figure).
//! B. Fine-tuning: a language model, by LoRA and by PiSSA with the same settings. Shows: PiSSA's early loss is lower.
//!
//! Departure: the paper moves from odd to even digits of MNIST; Fashion-MNIST is harder and comes with Debian.

mod language;
mod page;
mod spectra;
mod transfer;

use crate::{Claim, Experiment, Images, Materials, Result, Scale};
use transfer::Pretraining;

/// Convergence of PiSSA against LoRA and full training.
#[derive(Clone, Copy, Debug, Default)]
pub struct PissaExperiment;

impl Experiment for PissaExperiment {
    fn paper(&self) -> &'static str {
        "pissa"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        watch("reading Fashion-MNIST");
        let train = Images::fashion_mnist(&materials.fashion_mnist, "train")?;
        let test = Images::fashion_mnist(&materials.fashion_mnist, "t10k")?;
        let settings = transfer::Settings::of(scale);
        let pretraining = Pretraining { train: train.of_classes(&OLD)?, test: test.of_classes(&OLD)? };
        let (train, test) = (train.of_classes(&NEW)?, test.of_classes(&NEW)?);
        let transfer = transfer::run(&settings, &pretraining, (&train, &test), watch)?;
        let tuning =
            materials.language.as_ref().map(|language| language::run(language, scale, watch)).transpose()?;
        Ok(page::claim(&transfer, tuning.as_ref()))
    }
}

/// Classes of the pretraining: tops, coats and a dress.
const OLD: [u8; 5] = [0, 2, 4, 6, 3];

/// Classes of the transfer: trousers, shoes and bags.
const NEW: [u8; 5] = [1, 5, 7, 8, 9];

/// How weights are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Arm {
    /// As a whole.
    Full,
    /// A low-rank branch that starts as the principal part.
    Pissa,
    /// A low-rank branch that starts at zero.
    Lora,
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Pissa => "PiSSA",
            Self::Lora => "LoRA",
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
