//! Tensors laid out by layer and by what they are in it, and those that differ most from their like.

use super::summary::deviations;
use super::{ModelReport, Part, Spectrum, TensorReport};
use crate::lists;
use indexmap::{IndexMap, IndexSet};

/// A kind with fewer matrices has no like.
pub(super) const FEWEST: usize = 8;

/// Layers by what stands in them, of tensors that have a spectrum.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMap<'a> {
    /// Names of the layers: their numbers where there is one list of them.
    pub rows: Vec<String>,
    /// What stands in a layer, in the order of the model.
    pub columns: Vec<&'a str>,
    /// The tensor of every cell, the first of several; [rows · columns], row by row.
    pub cells: Vec<Option<&'a TensorReport>>,
}

/// A tensor that differs from others of its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Notable<'a> {
    /// The tensor.
    pub tensor: &'a TensorReport,
    /// The measure in which it differs most.
    pub measure: &'static str,
    /// How far from the median of its kind, in deviations that the median absolute deviation tells.
    pub deviations: f64,
}

/// A number of a spectrum, where it has it.
type Measure = fn(&Spectrum) -> Option<f64>;

/// The measures by which tensors are compared, those of scale as logarithms.
const MEASURES: [(&str, Measure); 3] = [
    ("spectral norm", |spectrum| (0.0 < spectrum.spectral_norm).then(|| spectrum.spectral_norm.ln())),
    ("stable rank", |spectrum| (0.0 < spectrum.stable_rank).then(|| spectrum.stable_rank.ln())),
    ("alpha", |spectrum| Some(spectrum.tail?.alpha.ln())),
];

impl ModelReport {
    /// The tensors of the layers.
    pub fn map(&self) -> LayerMap<'_> {
        let placed = |tensor: &&TensorReport| tensor.spectrum.is_some() && tensor.layer.is_some();
        let tensors: Vec<&TensorReport> = self.tensors.iter().filter(placed).collect();
        let columns: IndexSet<&str> = tensors.iter().map(|tensor| tensor.slot.as_str()).collect();
        let layers = self
            .layers
            .keys()
            .filter(|layer| tensors.iter().any(|tensor| tensor.layer.as_ref() == Some(*layer)));
        let layers: IndexSet<_> = layers.collect();
        let mut cells = vec![None; layers.len() * columns.len()];
        for tensor in tensors {
            let row = tensor.layer.as_ref().and_then(|layer| layers.get_index_of(&layer));
            if let Some((row, column)) = row.zip(columns.get_index_of(tensor.slot.as_str())) {
                cells[row * columns.len() + column].get_or_insert(tensor);
            }
        }
        let rows = lists::names(layers.iter().copied());
        LayerMap { rows, columns: columns.into_iter().collect(), cells }
    }

    /// The tensors that differ most from others of their kind, at most `count`, the most different first.
    pub fn notable(&self, count: usize) -> Vec<Notable<'_>> {
        let mut found: IndexMap<&str, Notable<'_>> = IndexMap::new();
        for (measure, value) in MEASURES {
            let mut kinds: IndexMap<Part, Vec<(&TensorReport, f64)>> = IndexMap::new();
            for tensor in &self.tensors {
                if let Some(value) = tensor.spectrum.as_ref().and_then(value) {
                    kinds.entry(tensor.kind).or_default().push((tensor, value));
                }
            }
            for members in kinds.values().filter(|members| FEWEST <= members.len()) {
                let values: Vec<f64> = members.iter().map(|(_, value)| *value).collect();
                for (&(tensor, _), deviations) in members.iter().zip(deviations(&values)) {
                    let this = Notable { tensor, measure, deviations };
                    let best = found.entry(tensor.name.as_str()).or_insert(this);
                    if best.deviations.abs() < deviations.abs() {
                        *best = this;
                    }
                }
            }
        }
        let mut found: Vec<Notable<'_>> = found.into_values().collect();
        found.sort_by(|one, other| other.deviations.abs().total_cmp(&one.deviations.abs()));
        found.truncate(count);
        found
    }
}
