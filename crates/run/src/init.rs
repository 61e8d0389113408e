//! An adapter before its training, for a fine-tuner elsewhere:
//!
//! ```text
//! start/
//!   adapter_config.json  adapter_model.safetensors     the factors as the method makes them
//!   residual/                                          the base they stand on, where their start was taken out of it
//! ```
//!
//! The same model, method and seed give the same files, and the start that a run has with them.

use crate::{Error, Result, TargetSection, loading::module_names, residual};
use rankine_checkpoint::{Checkpoint, Existing, OutputFolder};
use rankine_method::{Attached, Base, Choice, attach, export};
use rankine_nn::models::{Llama, Storage};
use rankine_random::Rng;
use rankine_surgery::{Progress, Stage, Watch, check_output};
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
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Path of every weight that was taken over, with its rank, and how many numbers are to be trained.
    pub attached: Attached,
    /// The base that the factors stand on; `None` where that is the model itself.
    pub residual: Option<PathBuf>,
}

/// Makes the adapter that training with `start` would begin with, and writes it to the folder `output`; `model` is where
/// the base lies. The folder appears when it is complete.
///
/// # Errors
/// When the targets or the rank do not fit the model, `output` is there and may not be replaced (the model never is),
/// reading or writing fails, or `watch` breaks off.
pub fn init(
    start: &Start,
    model: &Path,
    output: &Path,
    existing: Existing,
    watch: &mut Watch<'_>,
) -> Result<Started> {
    let checkpoint = Checkpoint::open(model)?;
    let inputs = [checkpoint.path().to_owned()];
    check_output(output, existing, &inputs)?;
    // Gone again when it is dropped: whether it can be made is found before a large model is loaded.
    drop(OutputFolder::create(output, existing)?);
    let mut flow = ControlFlow::Continue(());
    let mut told = |done: usize, total: usize| {
        if flow.is_continue() {
            flow = watch(Progress { stage: Stage::Decomposing, done: done as u64, total: total as u64 });
        }
    };
    let Ready { model: made, attached, .. } =
        ready(&checkpoint, (&start.method, &start.targets), start.weights, start.seed, &mut told)?;
    if flow.is_break() {
        return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
    }
    let place = residual::is_there(&made).then(|| output.join(residual::FOLDER));
    let name = place.as_ref().map_or_else(|| start.model.clone(), |place| place.display().to_string());
    let folder = OutputFolder::create(output, existing)?;
    export(&made, Base::Residual, Some(name))?.write(&folder)?;
    if place.is_some() {
        residual::write(&made, &checkpoint, &folder.path(residual::FOLDER)?, watch)?;
    }
    check_output(output, existing, &inputs)?;
    folder.finish()?;
    Ok(Started { attached, residual: place })
}

/// A model that a method has taken over.
pub(crate) struct Ready {
    /// The model.
    pub model: Llama,
    /// What was taken over.
    pub attached: Attached,
    /// How many numbers the model had before.
    pub numbers: usize,
}

/// Loads a model and hands the targeted weights over to the method; `watch` is told how many of how many are done.
pub(crate) fn ready(
    checkpoint: &Checkpoint,
    (method, targets): (&Choice, &TargetSection),
    weights: Storage,
    seed: u64,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Ready> {
    let modules = targets.targets().select_strictly(&module_names(checkpoint))?;
    let mut model = Llama::load(checkpoint.config(), checkpoint.tensors(), weights)?;
    let parameters = rankine_nn::Model::parameters(&model);
    let numbers =
        parameters.iter().map(|parameter| rankine_nn::weight::counts(parameter.weight.as_ref()).1).sum();
    let rng = Rng::new(seed).fork("attach");
    let attached = attach(&mut model, method.method(), &modules, &rng, watch)?;
    Ok(Ready { model, attached, numbers })
}
