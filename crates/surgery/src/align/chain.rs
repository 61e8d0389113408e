//! The symmetries of a plain chain of layers, told from names and shapes alone.
//!
//!     h₀ = x,   hᵢ₊₁ = f(wᵢ·hᵢ + bᵢ)        wᵢ: [out, in] or [out, in, height, width]
//!
//! f is any function of single numbers, a norm of single channels, or pooling. Behind convolutions a matrix reads the pixels of
//! every channel one after the other. The order is that of the file, unless its names are sorted, when a program may have sorted
//! them: then it is that of the numbers in the names.

use super::build::Builder;
use super::spec::{Layout, UnitKind};
use rankine_checkpoint::TensorInfo;

/// A matrix or a convolution with its norm, if any.
struct Layer<'a> {
    module: &'a str,
    shape: &'a [usize],
    norms: Vec<&'a str>,
}

/// Adds the layers, or gives the name of the first tensor that does not continue the chain.
pub(super) fn chain(build: &mut Builder<'_>) -> Result<(), String> {
    let tensors: Vec<(&str, &TensorInfo)> =
        build.infos().iter().map(|(name, info)| (name.as_str(), info)).collect();
    let mut numbered = tensors.clone();
    numbered.sort_by_cached_key(|(name, _)| spelt_out(name));
    let layers = match tensors.is_sorted_by_key(|(name, _)| *name) {
        true => layers(&numbered)?,
        false => layers(&tensors).or_else(|_| layers(&numbered))?,
    };
    let mut inputs: Option<Layout> = None;
    for (at, Layer { module, shape, norms }) in layers.iter().enumerate() {
        let inner = inputs.map(|layout| Layout { width: shape[1] / build.units(layout).max(1), ..layout });
        let last = at + 1 == layers.len();
        let outputs = (!last).then(|| build.group(UnitKind::Hidden, *module, shape[0]));
        build.linear(module, outputs, inner);
        if let Some(outputs) = outputs {
            norms.iter().for_each(|norm| build.norm(norm, outputs));
        }
        inputs = outputs;
    }
    Ok(())
}

/// The layers in this order of the tensors, if each takes what the one before gives.
fn layers<'a>(tensors: &[(&'a str, &'a TensorInfo)]) -> Result<Vec<Layer<'a>>, String> {
    let mut layers: Vec<Layer> = Vec::new();
    for &(name, info) in tensors {
        let Some(module) = name.strip_suffix(".weight") else { continue };
        let shape = info.shape.as_slice();
        let continues = match (layers.last(), shape) {
            (None, &[_, _] | &[_, _, _, _]) => true,
            (Some(before), &[_, inputs]) => {
                let (given, flat) = (before.shape[0], before.shape.len() == 4);
                inputs == given || (flat && given != 0 && inputs.is_multiple_of(given))
            }
            (Some(before), &[_, inputs, _, _]) => inputs == before.shape[0] && before.shape.len() == 4,
            (Some(before), &[units]) => units == before.shape[0],
            _ => false,
        };
        match layers.last_mut() {
            _ if !continues => return Err(name.to_owned()),
            Some(before) if shape.len() == 1 => before.norms.push(module),
            _ => layers.push(Layer { module, shape, norms: Vec::new() }),
        }
    }
    Ok(layers)
}

/// With numbers of as many digits, so that 10 comes after 9.
fn spelt_out(name: &str) -> String {
    let (mut spelt, mut digits) = (String::new(), String::new());
    for character in name.chars().chain(['\0']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if !digits.is_empty() {
            spelt += &format!("{digits:0>20}");
            digits.clear();
        }
        spelt.push(character);
    }
    spelt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::spec::PermutationSpec;
    use indexmap::IndexMap;
    use rankine_checkpoint::Dtype;

    fn spec(tensors: &[(&str, &[usize])]) -> Result<PermutationSpec, String> {
        let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
        let infos: IndexMap<String, TensorInfo> =
            tensors.iter().map(|(name, shape)| ((*name).to_owned(), info(shape))).collect();
        let mut build = Builder::new(&infos);
        chain(&mut build)?;
        build.finish()
    }

    fn units(spec: &PermutationSpec) -> Vec<(&str, usize)> {
        spec.groups().iter().map(|group| (group.name.as_str(), group.units)).collect()
    }

    #[test]
    fn a_convolution_and_the_matrix_behind_it_share_channels() {
        let spec = spec(&[
            ("conv1.weight", &[8, 1, 5, 5]),
            ("conv1.bias", &[8]),
            ("bn1.weight", &[8]),
            ("bn1.running_var", &[8]),
            ("linear.weight", &[6, 8 * 49]),
            ("head.weight", &[3, 6]),
            ("head.bias", &[3]),
        ]);
        let spec = spec.unwrap();
        assert_eq!((units(&spec), spec.strangers().len()), (vec![("conv1", 8), ("linear", 6)], 0));
        let axes = |name: &str| spec.tensors().find(|(found, _)| *found == name).unwrap().1.to_vec();
        assert_eq!(axes("linear.weight").iter().map(|(_, layout)| layout.width).collect::<Vec<_>>(), [1, 49]);
        assert_eq!((axes("bn1.running_var")[0].1.group, axes("head.weight").len()), (0, 1));
    }

    #[test]
    fn sorted_names_go_by_their_numbers() {
        let mut layers: Vec<(String, Vec<usize>)> =
            (0..12).map(|at| (format!("layers.{at}.weight"), vec![4, 4])).collect();
        layers.sort();
        let layers: Vec<_> = layers.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        let spec = spec(&layers).unwrap();
        assert_eq!((spec.groups().len(), units(&spec)[2]), (11, ("layers.2", 4)));
        assert_eq!(units(&spec)[10].0, "layers.10");
    }

    #[test]
    fn what_is_no_chain_is_named() {
        let attention: [(&str, &[usize]); 3] =
            [("embed.weight", &[9, 4]), ("q.weight", &[4, 4]), ("v.weight", &[2, 4])];
        assert_eq!(spec(&attention).unwrap_err(), "q.weight");
        let sorted: [(&str, &[usize]); 3] =
            [("conv.weight", &[4, 1, 3, 3]), ("head.weight", &[2, 16]), ("linear.weight", &[16, 36])];
        assert_eq!(spec(&sorted).unwrap_err(), "linear.weight");
    }
}
