//! A plain chain of layers, told from names and shapes alone.
//!
//!     h₀ = x,   hᵢ₊₁ = f(wᵢ·hᵢ + bᵢ)        wᵢ: [out, in] or [out, in, height, width]
//!
//! f is any function of single numbers, a norm of single channels, or pooling. Behind convolutions a matrix reads the pixels of
//! every channel one after the other. The order is that of the file, unless its names are sorted, when a program may have sorted
//! them: then it is that of the numbers in the names.

use crate::TensorInfo;
use indexmap::IndexMap;

/// Tensors by their names.
type Infos = IndexMap<String, TensorInfo>;

/// A matrix or a convolution with its norms, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLayer<'a> {
    /// Its name.
    pub module: &'a str,
    /// That of its weight: [out, in] or [out, in, height, width].
    pub shape: &'a [usize],
    /// The norms behind it.
    pub norms: Vec<&'a str>,
}

impl ChainLayer<'_> {
    /// Whether it is a convolution.
    pub fn is_convolution(&self) -> bool {
        self.shape.len() == 4
    }
}

/// The layers of a chain, from the first to the last.
///
/// # Errors
/// The name of the first tensor that does not continue the chain.
pub fn chain(infos: &Infos) -> Result<Vec<ChainLayer<'_>>, String> {
    let tensors: Vec<(&str, &TensorInfo)> = infos.iter().map(|(name, info)| (name.as_str(), info)).collect();
    let mut numbered = tensors.clone();
    numbered.sort_by_cached_key(|(name, _)| spelt_out(name));
    match tensors.is_sorted_by_key(|(name, _)| *name) {
        true => layers(&numbered),
        false => layers(&tensors).or_else(|_| layers(&numbered)),
    }
}

/// The same in the order of these modules.
///
/// # Errors
/// The name of the first tensor that is not there, or does not continue the chain.
pub fn chain_of<'a>(infos: &'a Infos, modules: &[String]) -> Result<Vec<ChainLayer<'a>>, String> {
    let weight = |module: &String| {
        let name = format!("{module}.weight");
        infos.get_key_value(&name).map(|(name, info)| (name.as_str(), info)).ok_or(name)
    };
    layers(&modules.iter().map(weight).collect::<Result<Vec<_>, String>>()?)
}

/// The layers in this order of the tensors, if each takes what the one before gives.
fn layers<'a>(tensors: &[(&'a str, &'a TensorInfo)]) -> Result<Vec<ChainLayer<'a>>, String> {
    let mut layers: Vec<ChainLayer> = Vec::new();
    for &(name, info) in tensors {
        let Some(module) = name.strip_suffix(".weight") else { continue };
        let shape = info.shape.as_slice();
        let continues = match (layers.last(), shape) {
            (None, &[_, _] | &[_, _, _, _]) => true,
            (Some(before), &[_, inputs]) => {
                let (given, flat) = (before.shape[0], before.is_convolution());
                inputs == given || (flat && given != 0 && inputs.is_multiple_of(given))
            }
            (Some(before), &[_, inputs, _, _]) => inputs == before.shape[0] && before.is_convolution(),
            (Some(before), &[units]) => units == before.shape[0],
            _ => false,
        };
        match layers.last_mut() {
            _ if !continues => return Err(name.to_owned()),
            Some(before) if shape.len() == 1 => before.norms.push(module),
            _ => layers.push(ChainLayer { module, shape, norms: Vec::new() }),
        }
    }
    Ok(layers)
}

/// A name with numbers of as many digits, so that in the order of letters 10 comes after 9.
pub fn spelt_out(name: &str) -> String {
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
    use crate::Dtype;

    #[test]
    fn an_order_that_is_given_goes_before_that_of_the_names() {
        let shapes: [(&str, &[usize]); 3] =
            [("conv.weight", &[4, 1, 3, 3]), ("head.weight", &[2, 16]), ("linear.weight", &[16, 36])];
        let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
        let infos: Infos = shapes.iter().map(|(name, shape)| ((*name).to_owned(), info(shape))).collect();
        assert_eq!(chain(&infos).unwrap_err(), "linear.weight");
        let order = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = chain_of(&infos, &order(&["conv", "linear", "head"])).unwrap();
        assert_eq!(found.iter().map(|layer| layer.module).collect::<Vec<_>>(), ["conv", "linear", "head"]);
        assert!(found[0].is_convolution() && !found[1].is_convolution());
        assert_eq!(chain_of(&infos, &order(&["conv", "line"])).unwrap_err(), "line.weight");
    }
}
