//! An adapter before its training, for a fine-tuner elsewhere:
//!
//! ```text
//! start/
//!   adapter_config.json  adapter_model.safetensors     the factors as the method makes them
//!   residual/                                          the base they stand on, where their start was taken out of it
//! ```
//!
//! The same model, method, seed and calibration data give the same files, and the start that a run has with them.

use crate::{
    Error, Result, TargetSection,
    calibration::{self, calibrated},
    kind::Runnable,
    residual,
    targeted::load_targeted,
};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, ImageCheckpoint, OutputFolder};
use rankine_data::Batches;
use rankine_method::{Attached, Base, Choice, attach, export};
use rankine_nn::models::Storage;
use rankine_random::Rng;
use rankine_surgery::{Progress, Stage, Watch, check_output};
use rankine_train::NextToken;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What an adapter is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What the configuration names as the base model, unless the base is a residual.
    pub model: String,
    /// How weights are structured.
    pub method: Choice,
    /// Which weights.
    pub targets: TargetSection,
    /// Seed of everything random.
    pub seed: u64,
    /// The type in which matrices lie in memory.
    pub weights: Storage,
    /// Data to calibrate on, for methods that must see the inputs of the weights.
    pub data: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Path of every weight that was taken over, with its rank, and how many numbers are to be trained.
    pub attached: Attached,
    /// How many numbers the adapter has: peft trains all of them, also those that the method leaves as they are.
    pub exported: usize,
    /// The base that the factors stand on; `None` where that is the model itself.
    pub residual: Option<PathBuf>,
    /// Weights whose directions had not converged when the calibration ended.
    pub unsettled: usize,
}

/// Makes the adapter that training with `start` would begin with, and writes it to the folder `output`; `model` is where
/// the base lies. The folder appears when it is complete.
///
/// # Errors
/// When the model is a classifier, the targets or the rank do not fit it, the method needs data and there are none or too few, `output` is
/// there and may not be replaced (the model never is), reading or writing fails, or `watch` breaks off.
pub fn init(
    start: &Start,
    model: &Path,
    output: &Path,
    existing: Existing,
    watch: &mut Watch<'_>,
) -> Result<Started> {
    let no_start = || Error::NoStart { path: model.to_owned() };
    if ImageCheckpoint::open(model)?.is_some() {
        return Err(no_start());
    }
    let checkpoint = Checkpoint::open(model)?;
    if checkpoint.config().architecture.is_encoder() {
        return Err(no_start());
    }
    let inputs = [checkpoint.path().to_owned()];
    check_output(output, existing, &inputs)?;
    // Gone again when it is dropped: whether it can be made is found before a large model is loaded.
    drop(OutputFolder::create(output, existing)?);
    let mut flow = ControlFlow::Continue(());
    let mut told = |stage: Stage, done: usize, total: usize| {
        if flow.is_continue() {
            flow = watch(Progress { stage, done: done as u64, total: total as u64 });
        }
        flow
    };
    let data = calibration::data(start, &checkpoint)?;
    let taken = (&start.method, &start.targets, data.as_ref());
    let Ready { model: made, attached, unsettled, .. } =
        ready::<NextToken>(&checkpoint, taken, start.weights, start.seed, &mut told)?;
    if flow.is_break() {
        return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
    }
    let place = residual::is_there(made.as_ref()).then(|| output.join(residual::FOLDER));
    let name = place.as_ref().map_or_else(|| start.model.clone(), |place| place.display().to_string());
    let folder = OutputFolder::create(output, existing)?;
    let adapter = export(made.as_ref(), Base::Residual, Some(name))?;
    adapter.write(&folder)?;
    if place.is_some() {
        residual::write(made.as_ref(), &checkpoint, &folder.path(residual::FOLDER)?, watch)?;
    }
    check_output(output, existing, &inputs)?;
    folder.finish()?;
    Ok(Started { attached, exported: numbers(&adapter), residual: place, unsettled })
}

/// How many numbers an adapter has.
fn numbers(adapter: &Adapter) -> usize {
    let low_rank = adapter.low_rank.values().map(|low_rank| {
        let vectors = low_rank.magnitude.iter().chain(&low_rank.output_bias);
        low_rank.a.len() + low_rank.b.len() + vectors.map(Vec::len).sum::<usize>()
    });
    low_rank.chain(adapter.replaced.values().map(|found| found.values.len())).sum()
}

/// A model that a method has taken over.
pub(crate) struct Ready<M: ?Sized> {
    /// The model.
    pub model: Box<M>,
    /// What was taken over.
    pub attached: Attached,
    /// How many numbers the model had before.
    pub numbers: usize,
    /// Weights whose directions had not converged when the calibration ended.
    pub unsettled: usize,
}

/// Loads a model and hands the targeted weights over to the method, which may see them at work on `data` before; `watch` is
/// told how many of how many batches and weights are done.
pub(crate) fn ready<T: Runnable>(
    files: &T::Files,
    (method, targets, data): (&Choice, &TargetSection, Option<&Batches<T::Sample>>),
    weights: Storage,
    seed: u64,
    watch: &mut dyn FnMut(Stage, usize, usize) -> ControlFlow<()>,
) -> Result<Ready<T::Model>> {
    let taken = (method.method(), targets);
    let (mut model, modules) = load_targeted::<T>(files, taken, weights)?;
    let parameters = T::seen(model.as_ref()).parameters();
    let numbers =
        parameters.iter().map(|parameter| rankine_nn::weight::counts(parameter.weight.as_ref()).1).sum();
    let (method, root) = (method.method(), Rng::new(seed));
    let (rng, taken) = (root.fork("calibrate"), (method, modules.as_slice()));
    let mut told = |done: usize, total: usize| watch(Stage::Calibrating, done, total);
    let calibration = calibrated::<T>(model.as_mut(), taken, data, &rng, &mut told)?;
    let mut told = |done: usize, total: usize| {
        let _ = watch(Stage::Decomposing, done, total);
    };
    let informed = calibration.inform(method);
    let attach_rng = root.fork("attach");
    let attached = attach(T::seen_mut(model.as_mut()), &informed, &modules, &attach_rng, &mut told)?;
    Ok(Ready { model, attached, numbers, unsettled: calibration.unsettled })
}
