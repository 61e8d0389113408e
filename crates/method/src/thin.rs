//! A model with factored weights as a file: two linear layers in a row where a weight w = b·a stood, named as the released
//! code of [pela] names them.
//!
//! ```text
//! NAME.0.weight    a: [r, in]
//! NAME.1.weight    b: [out, r]        NAME.1.bias    of the whole layer: [out]
//! ```
//!
//! Everything else lies under the name and in the shape that it has in the file of the original. The file is read into a
//! model of the original's shape, whose weights get the structure without a decomposition; the ranks are those of the file.

use crate::Result;
use rankine_checkpoint::{Dtype, OutputFolder, TensorInfo, Tensors, writer::TensorsWriter};
use rankine_nn::{
    Model, Parameter, Weight,
    weight::{Dense, Factored},
};
use rankine_tensor::Tensor;
use std::{any::Any, collections::BTreeMap};

/// Name of the file.
pub const FILE: &str = "model.safetensors";

/// Whether some weight of `model` is factored.
pub fn is_there(model: &dyn Model) -> bool {
    model.parameters().into_iter().any(|parameter| factored(parameter).is_some())
}

/// Every tensor of the file, by its name.
///
/// # Errors
/// When a weight cannot be built.
pub fn tensors(model: &dyn Model) -> Result<BTreeMap<String, Tensor>> {
    let parameters = model.parameters();
    let thin = |module: &str| parameters.iter().any(|p| p.module() == module && factored(p).is_some());
    let mut tensors = BTreeMap::new();
    for parameter in &parameters {
        if let Some(weight) = factored(parameter) {
            for (name, factor) in names(parameter.module()).into_iter().zip(weight.factors()) {
                tensors.insert(name, factor.detach());
            }
        } else {
            let value = parameter.in_file(&parameter.weight.dense()?.detach())?;
            tensors.insert(beside(parameter, thin), value);
        }
    }
    Ok(tensors)
}

/// Writes `model` into `folder`, in f32.
///
/// # Errors
/// When a weight cannot be built, or writing fails.
pub fn write(model: &dyn Model, folder: &OutputFolder) -> Result<()> {
    let tensors = tensors(model)?;
    let info = |tensor: &Tensor| TensorInfo { shape: tensor.shape(), dtype: Dtype::F32, bytes: 0 };
    let infos: BTreeMap<_, _> = tensors.iter().map(|(name, tensor)| (name.clone(), info(tensor))).collect();
    let writer = TensorsWriter::create(&folder.path(FILE)?, &infos)?;
    for (name, tensor) in &tensors {
        tensor.read(|values| writer.write(name, values))?;
    }
    Ok(writer.finish()?)
}

/// Gives `model` the weights of such a file: factors are trained, everything else is frozen. The module of every factored
/// weight, with its rank.
///
/// # Errors
/// When a tensor is missing or has not the shape that the model asks for; the model is then as it was.
pub fn load(model: &mut dyn Model, tensors: &dyn Tensors) -> Result<Vec<(String, usize)>> {
    let thin = |module: &str| names(module).iter().all(|name| tensors.infos().contains_key(name));
    let (mut weights, mut ranks): (Vec<Box<dyn Weight>>, Vec<_>) = (Vec::new(), Vec::new());
    for parameter in model.parameters() {
        let (shape, module) = (parameter.weight.constant()?.shape(), parameter.module());
        if let &[outputs, inputs] = shape.as_slice()
            && thin(module)
        {
            let [a, b] = names(module);
            let rank = tensors.infos().get(&a).map_or(0, TensorInfo::rows);
            let (a, b) = (read(tensors, &a, &[rank, inputs])?, read(tensors, &b, &[outputs, rank])?);
            weights.push(Box::new(Factored::new(&a, &b)));
            ranks.push((module.to_owned(), rank));
        } else {
            let turned: Vec<usize> = shape.iter().rev().copied().collect();
            let shape = if parameter.is_transposed() { turned } else { shape };
            let value = read(tensors, &beside(parameter, thin), &shape)?;
            // Turning it twice is leaving it.
            weights.push(Box::new(Dense::frozen(parameter.in_file(&value)?)));
        }
    }
    for (parameter, weight) in model.parameters_mut().into_iter().zip(weights) {
        parameter.weight = weight;
    }
    Ok(ranks)
}

fn factored(parameter: &Parameter) -> Option<&Factored> {
    let weight: &dyn Any = &*parameter.weight;
    weight.downcast_ref()
}

/// Names of a and b.
fn names(module: &str) -> [String; 2] {
    [0, 1].map(|layer| format!("{module}.{layer}.weight"))
}

/// The name of what is no factor: that of the second layer where the module has two.
fn beside(parameter: &Parameter, thin: impl Fn(&str) -> bool) -> String {
    match parameter.path().rsplit_once('.') {
        Some((module, word)) if thin(module) => format!("{module}.1.{word}"),
        _ => parameter.path().to_owned(),
    }
}

fn read(tensors: &dyn Tensors, name: &str, expected: &[usize]) -> Result<Tensor> {
    if let Some(info) = tensors.infos().get(name)
        && info.shape != expected
    {
        let (name, expected, found) = (name.to_owned(), expected.to_vec(), info.shape.clone());
        return Err(rankine_nn::Error::TensorShape { name, expected, found }.into());
    }
    let mut values = vec![0.0; expected.iter().product()];
    tensors.read_into(name, &mut values)?;
    Ok(Tensor::new(values, expected)?)
}
