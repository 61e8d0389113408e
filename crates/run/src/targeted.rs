//! A model, and which of its modules a method takes over: those of the recipe's targets, by peft's rules.
//!
//! A method of biases chooses among the modules that have one, whatever they are besides, so that `all-linear` is all of
//! these: norms and the head count as linear for it.

use crate::{
    Result, TargetSection,
    kind::{ModelFiles, Runnable},
};
use rankine_checkpoint::adapter::{self, ModuleName, modules_of};
use rankine_method::{Error, Method};
use rankine_nn::{Kind, Model, models::Storage};

/// The model, and the modules that `method` is to take over.
///
/// # Errors
/// When something that is targeted is not there, no module has a bias where these are trained, or a tensor is at fault.
pub(crate) fn load_targeted<T: Runnable>(
    files: &T::Files,
    (method, targets): (&dyn Method, &TargetSection),
    weights: Storage,
) -> Result<(Box<T::Model>, Vec<String>)> {
    let targets = targets.targets();
    let load = || T::load(files, weights);
    if method.takes(Kind::Bias) {
        let model = load()?;
        let modules = targets.select_strictly(&biased(T::seen(model.as_ref()))?)?;
        return Ok((model, modules));
    }
    // Before the model is read: a wrong name is told at once.
    let modules = targets.select_strictly(&modules_of(ModelFiles::tensors(files)))?;
    Ok((load()?, modules))
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
