//! Tensors taken together: by kind, by layer, by type of their numbers.

use super::TensorReport;
use crate::lists;
use indexmap::IndexMap;
use rankine_checkpoint::{Layer, Part};
use serde::Serialize;

/// A median absolute deviation times this is the standard deviation of a normal law.
const NORMAL: f64 = 1.4826;

/// The least deviation that counts, of logarithms: a percent. Matrices that were never trained are alike to less.
const LEAST_SPREAD: f64 = 0.01;

/// Tensors that have something in common; of measures the medians, over those that have them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// How many tensors.
    pub tensors: usize,
    /// Their numbers.
    pub parameters: u64,
    /// Stored size.
    pub bytes: u64,
    /// Of how many there is a spectrum.
    pub spectra: usize,
    /// s₁.
    pub spectral_norm: Option<f64>,
    /// ‖W‖² / s₁².
    pub stable_rank: Option<f64>,
    /// exp of the entropy of the spectrum.
    pub effective_rank: Option<f64>,
    /// Singular values above the edge of the noise.
    pub outliers: Option<f64>,
    /// Whether of some tensors there may be more of these, and of their energy.
    pub outliers_at_least: bool,
    /// Their share of ‖W‖².
    pub outlier_energy: Option<f64>,
    /// Exponent of the tail.
    pub alpha: Option<f64>,
}

/// Tensors of one type of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// How many tensors.
    pub tensors: usize,
    /// Their numbers.
    pub parameters: u64,
    /// Stored size.
    pub bytes: u64,
}

impl Group {
    fn of(members: &[&TensorReport]) -> Self {
        let spectra: Vec<_> = members.iter().filter_map(|tensor| tensor.spectrum.as_ref()).collect();
        let noise: Vec<_> = spectra.iter().filter_map(|spectrum| spectrum.noise).collect();
        Self {
            tensors: members.len(),
            parameters: members.iter().map(|tensor| tensor.parameters).sum(),
            bytes: members.iter().map(|tensor| tensor.bytes).sum(),
            spectra: spectra.len(),
            spectral_norm: median(spectra.iter().map(|spectrum| spectrum.spectral_norm)),
            stable_rank: median(spectra.iter().map(|spectrum| spectrum.stable_rank)),
            effective_rank: median(spectra.iter().filter_map(|spectrum| spectrum.effective_rank)),
            outliers: median(noise.iter().map(|bulk| bulk.outliers as f64)),
            outliers_at_least: noise.iter().any(|bulk| bulk.at_least),
            outlier_energy: median(noise.iter().map(|bulk| bulk.energy)),
            alpha: median(spectra.iter().filter_map(|spectrum| Some(spectrum.tail?.alpha))),
        }
    }
}

/// By what tensors do, in the order of [`Part`].
pub(super) fn by_kind(tensors: &[TensorReport]) -> IndexMap<Part, Group> {
    let mut kinds = grouped(tensors, |tensor| Some(tensor.kind));
    kinds.sort_keys();
    kinds.into_iter().map(|(part, members)| (part, Group::of(&members))).collect()
}

/// By layer; lists in the order of the model, each from its first layer to its last.
pub(super) fn by_layer(tensors: &[TensorReport]) -> IndexMap<Layer, Group> {
    let layers = lists::sorted(grouped(tensors, |tensor| tensor.layer.clone()));
    layers.into_iter().map(|(layer, members)| (layer, Group::of(&members))).collect()
}

/// By the type of the stored numbers, in the order of the model.
pub(super) fn by_storage(tensors: &[TensorReport]) -> IndexMap<String, Storage> {
    let types = grouped(tensors, |tensor| Some(tensor.dtype.clone()));
    let storage = |members: Vec<&TensorReport>| Storage {
        tensors: members.len(),
        parameters: members.iter().map(|tensor| tensor.parameters).sum(),
        bytes: members.iter().map(|tensor| tensor.bytes).sum(),
    };
    types.into_iter().map(|(dtype, members)| (dtype, storage(members))).collect()
}

fn grouped<K: std::hash::Hash + Eq>(
    tensors: &[TensorReport],
    key: impl Fn(&TensorReport) -> Option<K>,
) -> IndexMap<K, Vec<&TensorReport>> {
    let mut groups: IndexMap<K, Vec<&TensorReport>> = IndexMap::new();
    for tensor in tensors {
        if let Some(key) = key(tensor) {
            groups.entry(key).or_default().push(tensor);
        }
    }
    groups
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let low = values.get(values.len().checked_sub(1)? / 2)?;
    Some((low + values.get(values.len() / 2)?) / 2.0)
}

/// How far each value lies from the median of all, in standard deviations of a normal law with the same median absolute deviation.
pub(super) fn deviations(values: &[f64]) -> Vec<f64> {
    let middle = median(values.iter().copied()).unwrap_or_default();
    let spread = median(values.iter().map(|value| (value - middle).abs())).unwrap_or_default();
    let spread = (NORMAL * spread).max(LEAST_SPREAD);
    values.iter().map(|value| (value - middle) / spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn one_far_value_does_not_hide_itself() {
        let found = deviations(&[1.0, 2.0, 3.0, 4.0, 100.0]);
        // The median is 3, the median distance from it 1.
        assert!((found[4] - 97.0 / NORMAL).abs() < 1e-12 && found[2] == 0.0, "{found:?}");
        assert_eq!(deviations(&[2.0, 2.0, 2.0, 2.05]), [0.0, 0.0, 0.0, (2.05 - 2.0) / LEAST_SPREAD]);
    }
}
