//! Data that show what the matrices of a model see, for commands that weigh errors by it.

use rankine_run::DataSection;
use rankine_surgery::Inputs;
use std::path::{Path, PathBuf};

/// What is read to see the inputs of matrices.
#[derive(clap::Args)]
pub struct CalibrationArgs {
    /// Data to see the inputs of matrices with: a text, or a format of `rankine train`; of classifiers labelled texts or images
    #[arg(long, value_name = "PATH")]
    calibration: Option<PathBuf>,
    /// Examples of them that are read, the first ones; of a text windows
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    calibration_samples: u32,
    /// Tokens of a window of text, and at most of other examples
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    calibration_length: u32,
}

impl CalibrationArgs {
    /// Where they lie.
    pub fn path(&self) -> Option<&Path> {
        self.calibration.as_deref()
    }

    /// The model at `model` with what it reads, in memory; `None` without data.
    pub fn inputs(&self, model: &Path) -> anyhow::Result<Option<Box<dyn Inputs>>> {
        let Some(path) = &self.calibration else { return Ok(None) };
        let data = DataSection { max_length: self.calibration_length as usize, ..DataSection::new(path) };
        Ok(Some(rankine_run::inputs(model, &data, self.calibration_samples as usize)?))
    }
}
