//! A model, and which of its modules a method takes over: those of the recipe's targets, by peft's rules.
//!
//! A method of biases chooses among the modules that have one, whatever they are besides, so that `all-linear` is all of
//! these: norms and the head count as linear for it.

use crate::{
    Result, TargetSection,
    kind::{ModelFiles, Runnable},
    packed::Packed,
};
use rankine_checkpoint::{
    Checkpoint, ImageCheckpoint, Tensors,
    adapter::{self, ModuleName, modules_of},
    layer_and_role,
};
use rankine_method::{Choice, Error, Method, check_rank};
use rankine_nn::{Kind, Model, models::Storage};

/// The model, and the modules that `method` is to take over; their weights in the type that it rounds them to.
///
/// # Errors
/// When something that is targeted is not there, no module has a bias where these are trained, or a tensor is at fault.
pub(crate) fn load_targeted<T: Runnable>(
    files: &T::Files,
    (method, targets): (&dyn Method, &TargetSection),
    weights: Storage,
) -> Result<(Box<T::Model>, Vec<String>)> {
    let (targets, tensors) = (targets.targets(), ModelFiles::tensors(files));
    if method.takes(Kind::Bias) {
        let model = T::load(files, tensors, weights)?;
        let modules = targets.select_strictly(&biased(T::seen(model.as_ref()))?)?;
        return Ok((model, modules));
    }
    // Before the model is read: a wrong name is told at once.
    let modules = targets.select_strictly(&modules_of(tensors))?;
    let model = match method.base() {
        Some(encoding) => T::load(files, &Packed::new(tensors, &modules, encoding), weights)?,
        None => T::load(files, tensors, weights)?,
    };
    Ok((model, modules))
}

/// What the shapes in the files of a model tell of names and ranks, before data or the model are read.
///
/// # Errors
/// When something that is targeted is not there, or a matrix cannot have the rank.
pub(crate) fn check(method: &Choice, targets: &TargetSection, tensors: &dyn Tensors) -> Result<()> {
    if method.method().takes(Kind::Bias) {
        return Ok(());
    }
    let modules = targets.targets().select_strictly(&modules_of(tensors))?;
    check_ranks(method, targets, &modules, tensors)
}

/// The same of the ranks alone, for a model that is to tell texts apart: it may get another head, and what is wrong with names is
/// told later.
///
/// # Errors
/// When a matrix that is no part of the head cannot have the rank.
pub(crate) fn check_texts(method: &Choice, targets: &TargetSection, model: &Checkpoint) -> Result<()> {
    // The head is outside of the layers, and trained whole.
    check_body(method, targets, model.tensors(), |module| layer_and_role(module).0.is_empty())
}

/// The same of a model of images.
///
/// # Errors
/// As [`check_texts`].
pub(crate) fn check_images(method: &Choice, targets: &TargetSection, model: &ImageCheckpoint) -> Result<()> {
    let head = model.network().head();
    check_body(method, targets, model.tensors(), |module| module == head)
}

fn check_body(
    method: &Choice,
    targets: &TargetSection,
    tensors: &dyn Tensors,
    is_head: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut modules = targets.targets().select_strictly(&modules_of(tensors)).unwrap_or_default();
    modules.retain(|module| !is_head(module));
    check_ranks(method, targets, &modules, tensors)
}

fn check_ranks(
    method: &Choice,
    targets: &TargetSection,
    modules: &[String],
    tensors: &dyn Tensors,
) -> Result<()> {
    let Some(rank) = method.rank().filter(|_| !targets.cap_rank) else { return Ok(()) };
    for module in modules {
        let path = format!("{module}.weight");
        let shape = tensors.infos().get(&path).map(|info| info.shape.as_slice());
        match shape {
            Some(&[outputs, inputs]) => check_rank(&path, rank, [outputs, inputs])?,
            Some(&[outputs, inputs, height, width]) if method.method().takes(Kind::Convolution) => {
                check_rank(&path, rank, [outputs, inputs * height * width])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The modules of a model that have a bias.
fn biased(model: &dyn Model) -> Result<Vec<ModuleName>> {
    let biases = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Bias);
    let named = |module: &str| ModuleName { path: module.to_owned(), kind: adapter::Kind::Linear };
    let modules: Vec<ModuleName> = biases.map(|parameter| named(parameter.module())).collect();
    match modules.is_empty() {
        true => Err(Error::NoBias { place: "the model".to_owned() }.into()),
        false => Ok(modules),
    }
}
