//! How well data determine every number of a model: the diagonal of its empirical Fisher information.
//!
//!     F = 1/N · Σ_n (∂ ln p(y_n | x_n) / ∂θ)²        n: examples; number by number, in the shape of θ
//!
//! ln p(y | x) is that of the class, or of all tokens of an answer together. The labels y are those of the data, and not drawn from
//! the model. Examples are derived one at a time: the square of a sum of gradients is not the sum of their squares. In memory are the
//! model, one gradient and F: 12 bytes a number.
//!
//! The file holds a tensor of f32 for every tensor of the model, under its name; zeros where no loss depends on it, as on the
//! statistics of norms. The blend method `fisher` weighs a model and its fine-tune by two such files.

use crate::{
    DataSection, Error, Result,
    kind::{ModelFiles, Runnable},
    reading::Reading,
};
use indexmap::IndexMap;
use rankine_checkpoint::safetensors::Safetensors;
use rankine_checkpoint::writer::{OutputFile, TensorsWriter};
use rankine_checkpoint::{Dtype, Existing, TensorInfo};
use rankine_data::{Batches, Batching};
use rankine_nn::{Model as _, Parameter, models::Storage, weight::Dense};
use rankine_random::Rng;
use rankine_surgery::{Progress, Stage, Watch, check_output_file};
use rankine_tensor::Tensor;
use rankine_train::{Classify, ClassifyImages, Gradient, NextToken, gradient};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// What tells such a file from weights, in its metadata.
const NOTE: (&str, &str) = ("content", "Fisher information");

/// What is derived, and where the result goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fisher<'a> {
    /// Examples of the data that are read, the first ones; all where `None`.
    pub samples: Option<usize>,
    /// The safetensors file that is written; it appears when it is whole.
    pub target: &'a Path,
    /// What to do with one that is there.
    pub existing: Existing,
}

/// What it takes, before anything is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FisherPlan {
    /// Numbers that would be written.
    pub parameters: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of memory: the model, one gradient and F.
    pub memory_bytes: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FisherReport {
    /// N.
    pub examples: usize,
    /// Tokens of answers, or classes.
    pub targets: usize,
    /// Their mean −ln p.
    pub nll: f64,
    /// Numbers that were written.
    pub parameters: u64,
    /// Σ F.
    pub trace: f64,
    /// Tensors of zeros, in the order of the model.
    pub silent: Vec<String>,
}

impl Fisher<'_> {
    /// Derives the model at `model` on `data`, and writes the file. `watch` hears of examples.
    ///
    /// # Errors
    /// When the target is there and may not be replaced, lies in what is read or holds no Fisher information; when model or data
    /// cannot be read, a classifier has no head, or loss or gradient of an example are not finite; when writing fails or `watch`
    /// breaks off. Nothing is left behind then.
    pub fn run(&self, model: &Path, data: &DataSection, watch: &mut Watch<'_>) -> Result<FisherReport> {
        match self.reading(model, data)? {
            Reading::Language(files) => self.of(files, NextToken, data, watch),
            Reading::Texts(files) => self.of(files, Classify, data, watch),
            Reading::Images(files) => self.of(files, ClassifyImages::default(), data, watch),
        }
    }

    /// What [`run`](Self::run) would write, without deriving the model or reading the data.
    ///
    /// # Errors
    /// As [`run`](Self::run), as far as the files of the model and the target tell.
    pub fn plan(&self, model: &Path, data: &DataSection) -> Result<FisherPlan> {
        let parameters = match self.reading(model, data)? {
            Reading::Language(files) | Reading::Texts(files) => numbers(&files),
            Reading::Images(files) => numbers(&files),
        };
        let bytes = 4 * parameters;
        Ok(FisherPlan { parameters, bytes, memory_bytes: 3 * bytes })
    }

    /// What is read, if the target may be written.
    fn reading(&self, model: &Path, data: &DataSection) -> Result<Reading> {
        check_output_file(self.target, self.existing, &[model.to_owned(), data.path.clone()])?;
        let (word, said) = NOTE;
        if let Ok(there) = Safetensors::open(self.target)
            && there.metadata().get(word).is_none_or(|found| found != said)
        {
            return Err(Error::NotFisher { path: self.target.to_owned() });
        }
        Reading::with_head(model, data)
    }

    fn of<T: Runnable>(
        &self,
        mut files: T::Files,
        task: T,
        data: &DataSection,
        watch: &mut Watch<'_>,
    ) -> Result<FisherReport> {
        let mut examples = T::examples(&mut files, data)?;
        examples.truncate(self.samples.unwrap_or(usize::MAX));
        let batches = Batches::new(examples, Batching::Examples(1), 0)?;
        let tensors = ModelFiles::tensors(&files);
        let mut model = T::load(&files, tensors, Storage::File)?;
        let mut report = FisherReport { examples: batches.examples().len(), ..FisherReport::default() };
        let sums = sums::<T>(&mut *model, (&task, &batches), &mut report, watch)?;
        self.write(tensors.infos(), &sums, &mut report)?;
        Ok(report)
    }

    /// Writes F for all tensors of the model.
    fn write(
        &self,
        tensors: &IndexMap<String, TensorInfo>,
        sums: &HashMap<String, Tensor>,
        report: &mut FisherReport,
    ) -> Result<()> {
        // The writer counts the bytes itself.
        let wide = |info: &TensorInfo| TensorInfo { dtype: Dtype::F32, ..info.clone() };
        let infos: IndexMap<String, TensorInfo> =
            tensors.iter().map(|(name, info)| (name.clone(), wide(info))).collect();
        let output = OutputFile::create(self.target, self.existing)?;
        let writer = TensorsWriter::within(&output, &infos, NOTE)?;
        let share = (report.examples as f32).recip();
        for (name, info) in &infos {
            let mut values = sums.get(name).map_or_else(|| vec![0.0; info.elements()], Tensor::to_vec);
            values.iter_mut().for_each(|value| *value *= share);
            let trace: f64 = values.iter().map(|&value| f64::from(value)).sum();
            writer.write(name, &values)?;
            report.parameters += values.len() as u64;
            report.trace += trace;
            if trace == 0.0 {
                report.silent.push(name.clone());
            }
        }
        writer.finish()?;
        Ok(output.finish()?)
    }
}

/// All numbers of a model.
fn numbers(files: &impl ModelFiles) -> u64 {
    ModelFiles::tensors(files).infos().values().map(|info| info.elements() as u64).sum()
}

/// Σ_n (∂ ln p(y_n | x_n) / ∂θ)² for every parameter of a model, which is trained from here on; as files hold it.
fn sums<T: Runnable>(
    model: &mut T::Model,
    (task, batches): (&T, &Batches<T::Sample>),
    report: &mut FisherReport,
    watch: &mut Watch<'_>,
) -> Result<HashMap<String, Tensor>> {
    let mut sums: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
    for parameter in model.parameters_mut() {
        let value = parameter.weight.dense()?;
        sums.push((value.shape(), vec![0.0; value.elements()]));
        parameter.weight = Box::new(Dense::trained(&value));
    }
    let total = report.examples as u64;
    for (at, batch) in batches.sequential().enumerate() {
        if watch(Progress { stage: Stage::Evaluating, done: at as u64, total }).is_break() {
            return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
        }
        // Models as they are read draw nothing.
        let found = gradient::<T>(&*model, task, &[batch], &Rng::new(0), false)?;
        check(&found, at + 1)?;
        report.targets += found.targets;
        report.nll += found.loss * found.targets as f64;
        // A trained leaf is a parameter; their loss is a mean.
        for ((_, sum), leaf) in sums.iter_mut().zip(&found.leaves) {
            if let Some(leaf) = leaf {
                leaf.read(|slope| add_squares(sum, slope, found.targets as f32));
            }
        }
    }
    report.nll /= report.targets as f64;
    let in_file =
        |(parameter, (shape, sum)): (&Parameter, (Vec<usize>, Vec<f32>))| -> Result<(String, Tensor)> {
            let sum = Tensor::new(sum, &shape).map_err(rankine_nn::Error::from)?;
            Ok((parameter.path().to_owned(), parameter.in_file(&sum)?))
        };
    model.parameters().into_iter().zip(sums).map(in_file).collect()
}

/// An error unless loss and gradient of an example, counted from 1, are finite, and their squares in f32.
fn check(found: &Gradient, example: usize) -> Result<()> {
    let length = found.norm() * found.targets as f64;
    let what = match (found.loss.is_finite(), (length.powi(2) as f32).is_finite()) {
        (true, true) => return Ok(()),
        (false, _) => "loss",
        (true, false) => "gradient",
    };
    Err(Error::NotFinite { what, example })
}

/// sum += (factor · slope)².
fn add_squares(sum: &mut [f32], slope: &[f32], factor: f32) {
    for (sum, slope) in sum.iter_mut().zip(slope) {
        *sum += (factor * slope).powi(2);
    }
}
