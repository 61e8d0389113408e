//! What is worth saying of tensors beside each other.

use super::finding::{Finding, USUAL_ALPHA};
use super::map::FEWEST;
use super::summary::{deviations, median};
use super::{Part, Spectrum, TensorReport};
use indexmap::IndexMap;

/// From how many deviations on a norm is unusual. Ours: of a normal law one in a billion lies so far out.
const UNUSUAL: f64 = 6.0;

/// Everything of several tensors.
pub(super) fn findings(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut found = same(tensors);
    found.extend(large_norms(tensors));
    found.extend(tails(tensors));
    found.extend(leading(tensors));
    found
}

/// Matrices that were stored twice.
fn same(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut seen: IndexMap<(&[usize], u64), &str> = IndexMap::new();
    let mut found = Vec::new();
    for tensor in tensors.iter().filter(|tensor| 2 <= tensor.shape.len()) {
        // Equal numbers throughout are a start or a mask, and tell nothing.
        let Some(numbers) = tensor.numbers.as_ref().filter(|numbers| 0.0 < numbers.deviation) else {
            continue;
        };
        match seen.get(&(tensor.shape.as_slice(), numbers.fingerprint)) {
            Some(first) => {
                found.push(Finding::Same { first: (*first).to_owned(), second: tensor.name.clone() });
            }
            None => drop(seen.insert((tensor.shape.as_slice(), numbers.fingerprint), &tensor.name)),
        }
    }
    found
}

/// Norms far above those of their kind.
fn large_norms(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut kinds: IndexMap<Part, Vec<(&str, f64)>> = IndexMap::new();
    for tensor in tensors {
        let norm = tensor.spectrum.as_ref().map(|spectrum| spectrum.spectral_norm);
        if let Some(norm) = norm.filter(|norm| 0.0 < *norm) {
            kinds.entry(tensor.kind).or_default().push((tensor.name.as_str(), norm));
        }
    }
    kinds.values().filter(|norms| FEWEST <= norms.len()).flat_map(|norms| unusual(norms)).collect()
}

fn unusual(norms: &[(&str, f64)]) -> Vec<Finding> {
    let logarithms: Vec<f64> = norms.iter().map(|(_, norm)| norm.ln()).collect();
    let Some(middle) = median(norms.iter().map(|(_, norm)| *norm)) else { return Vec::new() };
    let finding = |(&(name, spectral_norm), deviations): (&(&str, f64), f64)| {
        let tensor = name.to_owned();
        let found = Finding::LargeNorm { tensor, spectral_norm, median: middle, deviations };
        (UNUSUAL < deviations).then_some(found)
    };
    norms.iter().zip(deviations(&logarithms)).filter_map(finding).collect()
}

/// Exponents that are unusual.
fn tails(tensors: &[TensorReport]) -> impl Iterator<Item = Finding> {
    let alpha = |tensor: &TensorReport| Some(tensor.spectrum.as_ref()?.tail?.alpha);
    let alphas = tensors.iter().filter_map(|tensor| Some((tensor.name.as_str(), alpha(tensor)?)));
    let alphas: Vec<(&str, f64)> = alphas.collect();
    let those = |is: &dyn Fn(f64) -> bool| -> Vec<String> {
        alphas.iter().filter(|(_, alpha)| is(*alpha)).map(|(name, _)| (*name).to_owned()).collect()
    };
    let ([low, high], of) = (USUAL_ALPHA, alphas.len());
    let (steep, flat) = (those(&|alpha| high < alpha), those(&|alpha| alpha < low));
    let steep = (!steep.is_empty()).then_some(Finding::SteepTails { tensors: steep, of });
    let flat = (!flat.is_empty()).then_some(Finding::FlatTails { tensors: flat, of });
    steep.into_iter().chain(flat)
}

/// Matrices whose spectra are not whole.
fn leading(tensors: &[TensorReport]) -> Option<Finding> {
    let share = |spectrum: &Spectrum| Some(spectrum.bound? / spectrum.spectral_norm);
    let cut = tensors.iter().filter_map(|tensor| Some((&tensor.name, share(tensor.spectrum.as_ref()?)?)));
    let cut: Vec<(&String, f64)> = cut.collect();
    // Of zeros the share is none, and loses against any other.
    let bound = cut.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let tensors = cut.into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    (!tensors.is_empty()).then_some(Finding::Leading { tensors, bound })
}
