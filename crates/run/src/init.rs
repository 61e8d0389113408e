//! An adapter before its training, for a fine-tuner elsewhere:
//!
//! ```text
//! start/
//!   adapter_config.json  adapter_model.safetensors     the factors as the method makes them, and the head of a classifier
//!   classes.json                                       names of the classes that this head tells apart
//!   residual/                                          the base they stand on, where their start was taken out of it
//! ```
//!
//! The same model, method, seed and data give the same files, and the start that a run has with them.
//!
//! A classifier without a head gets the one that a run on the data would draw. Without data nobody knows how many classes there
//! are: then the adapter has no head and names no task, because peft loads none for sequence classification without one.

use crate::{
    DataSection, Error, Result, TargetSection,
    calibration::calibrated,
    classify::{self, CLASSES},
    ground::{self, Ground},
    kind::{ModelFiles, Runnable},
    residual,
    targeted::{self, load_targeted},
};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, ImageCheckpoint, OutputFolder};
use rankine_data::Batches;
use rankine_method::{Attached, Base, Choice, Cut, Method, attach, export, train_whole};
use rankine_nn::models::Storage;
use rankine_random::Rng;
use rankine_surgery::{AdapterOutput, Progress, Stage, Watch, check_output};
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
    /// Data of the kind that the model is trained on: to calibrate on, for methods that must see the inputs of the weights, and
    /// to tell the classes of a classifier.
    pub data: Option<DataSection>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Path of every weight that was taken over, with its rank, and how many numbers are to be trained, with those of the head
    /// of a classifier.
    pub attached: Attached,
    /// How many numbers the adapter has: peft trains all of them, also those that the method leaves as they are.
    pub exported: usize,
    /// The base that the factors stand on; `None` where that is the model itself.
    pub residual: Option<PathBuf>,
    /// Weights whose directions had not converged when the calibration ended.
    pub unsettled: usize,
    /// Weights that got less than the rank that was asked for, where that is allowed.
    pub capped: Option<Cut>,
    /// Names of the classes that the adapter's head tells apart; empty of a classifier that has none yet, `None` of a language
    /// model.
    pub classes: Option<Vec<String>>,
}

/// Makes the adapter that training with `start` would begin with, and writes it to the folder `output`; `model` is where
/// the base lies. The folder appears when it is complete.
///
/// # Errors
/// When the targets, the rank or the data do not fit the model, the method needs data and there are none or too few, `output` is
/// there and may not be replaced (model and data never are) or lies inside one of these, reading or writing fails, or `watch`
/// breaks off.
pub fn init(
    start: &Start,
    model: &Path,
    output: &Path,
    existing: Existing,
    watch: &mut Watch<'_>,
) -> Result<Started> {
    let data = start.data.as_ref().map(|data| data.path.clone());
    let inputs = data.into_iter().chain([model.to_owned()]).collect();
    let destination = AdapterOutput { target: output, existing, inputs };
    if let Some(images) = ImageCheckpoint::open(model)? {
        check(&destination, start)?;
        targeted::check_images(&start.method, &start.targets, &images)?;
        return written(ground::of_images(images, start)?, start, &destination, watch);
    }
    let checkpoint = Checkpoint::open(model)?;
    check(&destination, start)?;
    let is_labelled = start.data.as_ref().is_some_and(DataSection::is_labelled);
    if is_labelled || classify::tells_classes(&checkpoint)? {
        targeted::check_texts(&start.method, &start.targets, &checkpoint)?;
        return written(ground::of_texts(checkpoint, start)?, start, &destination, watch);
    }
    targeted::check(&start.method, &start.targets, checkpoint.tensors())?;
    written(ground::of_language(checkpoint, start)?, start, &destination, watch)
}

/// An error where a start cannot be made here, as far as that is known before data and weights are read.
fn check(destination: &AdapterOutput<'_>, start: &Start) -> Result<()> {
    destination.check()?;
    start.method.check()?;
    start.targets.check(&start.method)?;
    let method = start.method.method();
    match method.needs().any() && start.data.is_none() {
        true => Err(Error::NoCalibrationData { method: method.card().name }),
        false => Ok(()),
    }
}

fn written<T: Runnable>(
    ground: Ground<T>,
    start: &Start,
    destination: &AdapterOutput<'_>,
    watch: &mut Watch<'_>,
) -> Result<Started> {
    let Ground { files, bare, data, targets, whole, classes } = ground;
    let mut flow = ControlFlow::Continue(());
    let mut told = |stage: Stage, done: usize, total: usize| {
        if flow.is_continue() {
            flow = watch(Progress { stage, done: done as u64, total: total as u64 });
        }
        flow
    };
    let taken = (&start.method, &targets, data.as_ref());
    let Ready { model: mut made, mut attached, unsettled, capped, .. } =
        ready::<T>(&files, taken, start.weights, start.seed, &mut told)?;
    if flow.is_break() {
        return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
    }
    attached.trained += train_whole(T::seen_mut(made.as_mut()), &whole)?;
    let made = T::seen(made.as_ref());
    let place = residual::is_there(made).then(|| destination.target.join(residual::FOLDER));
    let name = place.as_ref().map_or_else(|| start.model.clone(), |place| place.display().to_string());
    let mut adapter = export(made, Base::Residual, Some(name))?;
    if let Some(bare) = &bare {
        // Methods of biases write all that the model has, and some of them are only thought of.
        let known = ModelFiles::tensors(bare).infos();
        adapter.replaced.retain(|name, _| known.contains_key(name));
    }
    T::finish(&mut adapter);
    if bare.is_some() {
        adapter.config.task = None;
    }
    let folder = OutputFolder::create(destination.target, destination.existing)?;
    adapter.write(&folder)?;
    if let Some(names) = classes.as_ref().filter(|names| !names.is_empty()) {
        folder.write_json(CLASSES, &serde_json::json!(names))?;
    }
    if place.is_some() {
        let base = bare.as_ref().unwrap_or(&files);
        residual::write(made, base, &folder.path(residual::FOLDER)?, watch)?;
    }
    check_output(destination.target, destination.existing, &destination.inputs)?;
    folder.finish()?;
    Ok(Started { attached, exported: numbers(&adapter), residual: place, unsettled, capped, classes })
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
    /// Weights that got less than the rank that was asked for, where that is allowed.
    pub capped: Option<Cut>,
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
    let cap = targets.capped(method);
    let method: &dyn Method = match &cap {
        Some(cap) => cap,
        None => method.method(),
    };
    let (mut model, modules) = load_targeted::<T>(files, (method, targets), weights)?;
    let cut = cap.as_ref().map(|cap| cap.cut(T::seen(model.as_ref()), &modules));
    let capped = cut.transpose()?.flatten();
    let parameters = T::seen(model.as_ref()).parameters();
    let numbers =
        parameters.iter().map(|parameter| rankine_nn::weight::counts(parameter.weight.as_ref()).1).sum();
    let root = Rng::new(seed);
    let (rng, taken) = (root.fork("calibrate"), (method, modules.as_slice()));
    let mut told = |done: usize, total: usize| watch(Stage::Calibrating, done, total);
    let calibration = calibrated::<T>(model.as_mut(), taken, data, &rng, &mut told)?;
    let mut told = |done: usize, total: usize| {
        let _ = watch(Stage::Decomposing, done, total);
    };
    let informed = calibration.inform(method);
    let attach_rng = root.fork("attach");
    let attached = attach(T::seen_mut(model.as_mut()), &informed, &modules, &attach_rng, &mut told)?;
    Ok(Ready { model, attached, numbers, unsettled: calibration.unsettled, capped })
}
