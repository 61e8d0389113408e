//! [pissa]: principal singular values make LoRA's loss fall faster.
//!
//! A. Transfer: a small classifier of Fashion-MNIST's classes 0, 2, 4, 6, 3 is moved to 1, 5, 7, 8, 9, its hidden
//!    layers trained in full, by LoRA and by PiSSA at the same learning rates. Shows: early loss PiSSA < LoRA (the
//!    paper's toy figure).
//! B. Fine-tuning: a language model, by LoRA and by PiSSA with the same settings. Shows: PiSSA's early loss and its loss on
//!    held-out answers are lower.
//! C. Four bits: random matrices, and the weights of a language model where one is given, in NF4 with a branch. Shows, matrix
//!    by matrix, whether QPiSSA makes up for more of the rounding than LoftQ after one turn and after five (the paper's table
//!    of errors); of a language model also which kinds of layers gain most. This asks for a model alone, B for data too.
//!
//! Departure: the paper moves from odd to even digits of MNIST; Fashion-MNIST is harder and comes with Debian.

mod claims;
mod language;
mod page;
mod rounding;
mod spectra;
mod transfer;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    transfer::{Data, mean},
};
use std::fmt;

/// Convergence of PiSSA against LoRA and full training, and the rounding error of QPiSSA against LoftQ.
#[derive(Clone, Copy, Debug, Default)]
pub struct PissaExperiment;

impl Experiment for PissaExperiment {
    fn paper(&self) -> &'static str {
        "pissa"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let data = Data::read(materials, watch)?;
        let transfer = transfer::run(&transfer::Settings::of(scale), &data, watch)?;
        let language = materials.language.as_ref();
        let with_data = language.and_then(|language| Some((language, language.data.as_deref()?)));
        let tuning = with_data.map(|given| language::run(given, scale, watch)).transpose()?;
        let rounded = rounding::run(language, scale, watch)?;
        Ok(page::claim(&transfer, tuning.as_ref(), &rounded))
    }
}

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

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
