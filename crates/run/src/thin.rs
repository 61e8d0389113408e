//! A model with factored weights as files hold it: the model that it was made of, with two layers where a weight became the
//! product of two factors.
//!
//! The format is that of [`rankine_checkpoint::thin`], and every command reads it. What is no parameter, such as the
//! statistics of norms, is the original's; all weights are in f32.
//! Paper: [pela].

use crate::{Result, kind::ModelFiles};
use indexmap::IndexMap;
use rankine_checkpoint::{Dtype, TensorInfo, Tensors, ThinLayers};
use rankine_nn::{
    Model, Parameter,
    weight::{Factored, counts},
};
use rankine_tensor::Tensor;
use std::{
    any::Any,
    borrow::Cow,
    collections::HashMap,
    ops::{ControlFlow, Range},
    path::Path,
};

#[cfg(test)]
mod tests;

/// Name of its folder in a run's folder.
pub(crate) const FOLDER: &str = "thin";

/// The original's tensors, those of the parameters as they are now.
struct Thin<'a> {
    original: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
    /// Of the parameters, in the shapes of the file.
    values: HashMap<String, Tensor>,
}

/// Whether some weight of `model` is the product of trained factors.
pub(crate) fn is_there(model: &dyn Model) -> bool {
    let trained = |parameter: &Parameter| 0 < counts(parameter.weight.as_ref()).0;
    model.parameters().into_iter().any(|parameter| factored(parameter).is_some() && trained(parameter))
}

/// Writes `model`, which was made of `original`, as a folder of its own, in the place of what is there.
///
/// # Errors
/// When a weight cannot be built, or writing fails; nothing is left behind then.
pub(crate) fn write(model: &dyn Model, original: &dyn ModelFiles, folder: &Path) -> Result<()> {
    let (thin, layers) = Thin::of(model, original.tensors())?;
    original.write(&thin, Some(layers), folder, &mut |_| ControlFlow::Continue(()))
}

impl<'a> Thin<'a> {
    fn of(model: &dyn Model, original: &'a dyn Tensors) -> Result<(Self, ThinLayers)> {
        let (parameters, mut layers) = (model.parameters(), ThinLayers::default());
        for parameter in &parameters {
            if let Some(weight) = factored(parameter) {
                let [a, _] = weight.factors()?;
                layers.ranks.insert(parameter.module().to_owned(), a.shape()[0]);
            }
        }
        let named: HashMap<&str, &Parameter> =
            parameters.into_iter().map(|parameter| (parameter.path(), parameter)).collect();
        let mut thin = Self { original, infos: IndexMap::new(), values: HashMap::new() };
        for (name, info) in original.infos() {
            match named.get(name.as_str()) {
                Some(parameter) => thin.take(parameter, &layers)?,
                None => {
                    thin.infos.insert(name.clone(), info.clone());
                }
            }
        }
        Ok((thin, layers))
    }

    /// Adds a parameter under the names that it has in the file.
    fn take(&mut self, parameter: &Parameter, layers: &ThinLayers) -> Result<()> {
        let module = parameter.module();
        if let Some(weight) = factored(parameter) {
            let [a, b] = weight.layers()?;
            // The file holds (b·a)ᵀ = aᵀ·bᵀ of a matrix [in, out].
            let factors = if parameter.is_transposed() { [b, a] } else { [a, b] };
            for (name, factor) in ThinLayers::factors(module).into_iter().zip(factors) {
                self.insert(name, parameter.in_file(&factor.detach())?);
            }
            return Ok(());
        }
        let name = match layers.ranks.contains_key(module) {
            true => ThinLayers::bias(module),
            false => parameter.path().to_owned(),
        };
        self.insert(name, parameter.in_file(&parameter.weight.dense()?.detach())?);
        Ok(())
    }

    fn insert(&mut self, name: String, value: Tensor) {
        let bytes = 4 * value.elements() as u64;
        self.infos.insert(name.clone(), TensorInfo { shape: value.shape(), dtype: Dtype::F32, bytes });
        self.values.insert(name, value);
    }
}

fn factored(parameter: &Parameter) -> Option<&Factored> {
    let weight: &dyn Any = &*parameter.weight;
    weight.downcast_ref()
}

impl Tensors for Thin<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let rows = self.infos.get(name).map_or(0, TensorInfo::rows);
        self.read_rows(name, 0..rows, out)
    }

    /// Of the original: all weights are stored anew as f32.
    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        self.original.raw(name)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let (Some(value), Some(info)) = (self.values.get(name), self.infos.get(name)) else {
            return self.original.read_rows(name, rows, out);
        };
        info.check_rows(name, &rows, out.len())?;
        let width = info.row_elements();
        value.read(|values| out.copy_from_slice(&values[rows.start * width..rows.end * width]));
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        if !self.values.contains_key(name) {
            self.original.release(name, rows);
        }
    }
}
