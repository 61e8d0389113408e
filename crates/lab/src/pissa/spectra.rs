//! Singular values of a weight before a method took it over, and of what the method left frozen.

use crate::Result;
use rankine_linalg::singular_values;
use rankine_nn::{Model, Parameter};
use rankine_tensor::{Tensor, untaped};

/// The spectrum of one weight.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Spectra {
    /// The weight's path.
    pub path: String,
    /// Singular values of the weight, descending.
    pub weight: Vec<f32>,
    /// Singular values of the frozen base.
    pub residual: Vec<f32>,
}

/// The spectra of the parameter at `path`, whose weight was `before`; `None` when the model has no such parameter.
pub(super) fn spectra(model: &dyn Model, path: &str, before: &Tensor) -> Result<Option<Spectra>> {
    let parameters = model.parameters();
    let base = parameters.into_iter().find(|parameter| parameter.path() == path).and_then(base);
    let Some(base) = base else {
        return Ok(None);
    };
    Ok(Some(Spectra { path: path.to_owned(), weight: values(before)?, residual: values(&base)? }))
}

/// The value of the parameter at `path`, off the tape.
pub(super) fn value(model: &dyn Model, path: &str) -> Result<Option<Tensor>> {
    let parameter = model.parameters().into_iter().find(|parameter| parameter.path() == path);
    Ok(parameter.map(|parameter| untaped(|| parameter.weight.dense())).transpose()?)
}

fn base(parameter: &Parameter) -> Option<Tensor> {
    let mut base = None;
    parameter.weight.leaves(&mut |name, leaf| {
        if name == "base" {
            base = Some(leaf.tensor().detach());
        }
    });
    base
}

fn values(matrix: &Tensor) -> Result<Vec<f32>> {
    let [rows, columns] = matrix.matrix("singular values")?;
    Ok(matrix.read(|values| singular_values(values, rows, columns))?)
}
