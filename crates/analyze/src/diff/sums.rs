//! Changes of many tensors together: by kind, by layer, and by both.

use super::changes::TensorChange;
use super::spectra::MatrixChange;
use crate::lists;
use indexmap::{IndexMap, IndexSet};
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
    /// What stands at every place, row by row; [layers · kinds].
    pub cells: Vec<Option<ChangeCell>>,
}

/// What a layer has of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeCell {
    /// The name of the tensor, the first of several.
    pub tensor: String,
    /// How far it moved.
    pub sum: ChangeSum,
}

impl ChangeMap {
    /// √(Σ ‖W − W₀‖² / Σ ‖W₀‖²); NaN where there is nothing. Rows are layers.
    pub fn relative(&self) -> Vec<Vec<f64>> {
        let value = |cell: &Option<ChangeCell>| cell.as_ref()?.sum.relative();
        let values = self.cells.iter().map(|cell| value(cell).unwrap_or(f64::NAN));
        let values: Vec<f64> = values.collect();
        values.chunks(self.kinds.len().max(1)).map(<[f64]>::to_vec).collect()
    }
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
    let mut rows: IndexMap<Layer, IndexMap<&str, ChangeCell>> = IndexMap::new();
    let mut kinds: IndexSet<&str> = IndexSet::new();
    for change in changes {
        let Some(layer) = &change.layer else { continue };
        kinds.insert(change.kind.as_str());
        let new = || ChangeCell { tensor: change.name.clone(), sum: ChangeSum::default() };
        let row = rows.entry(layer.clone()).or_default();
        row.entry(change.kind.as_str()).or_insert_with(new).sum.add(change);
    }
    let rows = lists::sorted(rows);
    let cells = rows.values().flat_map(|row| kinds.iter().map(move |kind| row.get(*kind).cloned()));
    ChangeMap {
        cells: cells.collect(),
        layers: lists::names(rows.keys()),
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
    }
}

/// How many intruders there are in all, for every number of triples (rows) and every ε (columns).
pub fn sweep(matrices: &[MatrixChange], tops: &[usize], epsilons: &[f64]) -> Vec<Vec<usize>> {
    let count = |epsilon: f64, top: usize| {
        matrices.iter().map(|matrix| matrix.intruders(epsilon, top).len()).sum::<usize>()
    };
    tops.iter().map(|&top| epsilons.iter().map(|&epsilon| count(epsilon, top)).collect()).collect()
}
