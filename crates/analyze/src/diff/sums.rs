//! Changes of many tensors together: by kind, by layer, and by both.

use super::changes::TensorChange;
use super::spectra::MatrixChange;
use crate::lists;
use indexmap::IndexMap;
use rankine_checkpoint::Layer;

/// Several tensors together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChangeSum {
    /// How many there are.
    pub tensors: usize,
    /// How many of them changed.
    pub changed: usize,
    /// Σ ‖W₀‖².
    pub before: f64,
    /// Σ ‖W − W₀‖².
    pub moved: f64,
}

/// How far tensors moved, by layer and kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeMap {
    /// Names of the layers in the order of the model: their numbers where there is one list of them.
    pub layers: Vec<String>,
    /// The kinds, as they are met.
    pub kinds: Vec<String>,
    /// √(Σ ‖W − W₀‖² / Σ ‖W₀‖²); NaN where there is nothing. Rows are layers.
    pub values: Vec<Vec<f64>>,
}

impl ChangeSum {
    /// Of these.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a TensorChange>) -> Self {
        changes.into_iter().fold(Self::default(), Self::and)
    }

    /// √(Σ ‖W − W₀‖² / Σ ‖W₀‖²); `None` where the base has zeros.
    pub fn relative(self) -> Option<f64> {
        (self.before != 0.0).then(|| (self.moved / self.before).sqrt())
    }

    fn and(self, change: &TensorChange) -> Self {
        Self {
            tensors: self.tensors + 1,
            changed: self.changed + usize::from(change.is_changed()),
            before: self.before + change.before,
            moved: self.moved + change.moved,
        }
    }

    fn add(&mut self, change: &TensorChange) {
        *self = self.and(change);
    }
}

/// By kind, as they are met.
pub fn by_kind(changes: &[TensorChange]) -> IndexMap<&str, ChangeSum> {
    let mut sums: IndexMap<&str, ChangeSum> = IndexMap::new();
    changes.iter().for_each(|change| sums.entry(change.kind.as_str()).or_default().add(change));
    sums
}

/// By layer, in the order of the model; what is outside of all layers comes first.
pub fn by_layer(changes: &[TensorChange]) -> IndexMap<Option<Layer>, ChangeSum> {
    let mut outside: Option<ChangeSum> = None;
    let mut layers: IndexMap<Layer, ChangeSum> = IndexMap::new();
    for change in changes {
        match &change.layer {
            Some(layer) => layers.entry(layer.clone()).or_default().add(change),
            None => outside.get_or_insert_default().add(change),
        }
    }
    let layers = lists::sorted(layers).into_iter().map(|(layer, sum)| (Some(layer), sum));
    outside.map(|sum| (None, sum)).into_iter().chain(layers).collect()
}

/// By layer and kind, of the tensors that are in a layer.
pub fn change_map(changes: &[TensorChange]) -> ChangeMap {
    let mut sums: IndexMap<Layer, IndexMap<&str, ChangeSum>> = IndexMap::new();
    let mut kinds: IndexMap<&str, ()> = IndexMap::new();
    for change in changes {
        let Some(layer) = &change.layer else { continue };
        kinds.insert(change.kind.as_str(), ());
        sums.entry(layer.clone()).or_default().entry(change.kind.as_str()).or_default().add(change);
    }
    let sums = lists::sorted(sums);
    let row = |sums: &IndexMap<&str, ChangeSum>| -> Vec<f64> {
        let value = |kind: &&str| sums.get(*kind).and_then(|sum| sum.relative()).unwrap_or(f64::NAN);
        kinds.keys().map(value).collect()
    };
    ChangeMap {
        values: sums.values().map(row).collect(),
        layers: lists::names(sums.keys()),
        kinds: kinds.keys().map(|&kind| kind.to_owned()).collect(),
    }
}

/// How many intruders there are in all, for every number of triples (rows) and every ε (columns).
pub fn sweep(matrices: &[MatrixChange], tops: &[usize], epsilons: &[f64]) -> Vec<Vec<usize>> {
    let count = |epsilon: f64, top: usize| {
        matrices.iter().map(|matrix| matrix.intruders(epsilon, top).len()).sum::<usize>()
    };
    tops.iter().map(|&top| epsilons.iter().map(|&epsilon| count(epsilon, top)).collect()).collect()
}
