//! What the types of numbers say of tensors.

use super::{Finding, TensorReport};
use indexmap::IndexMap;
use rankine_checkpoint::Dtype;
use std::collections::HashSet;

/// Names of the scales of 8-bit weights, beside `weight`: DeepSeek's, and those of compressed-tensors.
const SCALES: [&str; 2] = ["weight_scale_inv", "weight_scale"];

/// Whether the numbers of this type are whole ones.
pub(super) fn is_whole(dtype: &str) -> bool {
    Dtype::by_name(dtype).is_some_and(Dtype::is_whole)
}

/// Whether the numbers of this type cannot be read.
fn is_unread(dtype: &str) -> bool {
    matches!(Dtype::by_name(dtype), Some(Dtype::Unread(_)))
}

/// What is not analysed, by type, and scales that are not applied.
pub(super) fn of_types(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut types: IndexMap<&str, Vec<String>> = IndexMap::new();
    let is_left = |tensor: &&TensorReport| {
        is_unread(&tensor.dtype) || 2 <= tensor.shape.len() && is_whole(&tensor.dtype)
    };
    for tensor in tensors.iter().filter(is_left) {
        types.entry(tensor.dtype.as_str()).or_default().push(tensor.name.clone());
    }
    let left =
        |(dtype, tensors): (&str, Vec<String>)| Finding::NotAnalysed { dtype: dtype.to_owned(), tensors };
    let mut found: Vec<Finding> = types.into_iter().map(left).collect();
    let scales = scales(tensors);
    found.extend((!scales.is_empty()).then_some(Finding::Scales { tensors: scales }));
    found
}

/// The scales of weights that are floats of eight bits.
fn scales(tensors: &[TensorReport]) -> Vec<String> {
    let is_float8 = |tensor: &&TensorReport| Dtype::by_name(&tensor.dtype).is_some_and(Dtype::is_float8);
    let modules = tensors.iter().filter(is_float8).filter_map(|tensor| tensor.name.strip_suffix(".weight"));
    let modules: HashSet<&str> = modules.collect();
    let is_scale = |tensor: &&TensorReport| {
        let parts = tensor.name.rsplit_once('.');
        parts.is_some_and(|(module, word)| SCALES.contains(&word) && modules.contains(module))
    };
    tensors.iter().filter(is_scale).map(|tensor| tensor.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_by_name() {
        assert!([Dtype::I64, Dtype::U8, Dtype::Bool].into_iter().all(|whole| is_whole(whole.name())));
        let floats = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F8E4M3, Dtype::F8E5M2];
        assert!(!floats.into_iter().any(|float| is_whole(float.name()) || is_unread(float.name())));
        assert!(["U16", "F4", "F8_E8M0"].into_iter().all(is_unread) && !is_unread("Q8_0"));
    }
}
