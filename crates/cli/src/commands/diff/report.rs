//! What `rankine diff` found, in JSON.

use super::{Diff, Found};
use crate::disk::Room;
use rankine_analyze::inspect::Layer;
use rankine_analyze::{MatrixChange, NotCompared, TensorChange};
use rankine_surgery::Mitigated;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
pub struct Report<'a> {
    base: &'a str,
    tuned: Option<&'a str>,
    adapter: Option<&'a Path>,
    tensors: Vec<Tensor<'a>>,
    unchanged: usize,
    not_compared: &'a [NotCompared],
    relative_change: Option<f64>,
    epsilon: f64,
    top: usize,
    intruders: Option<usize>,
    matrices: Vec<Matrix<'a>>,
    mitigated: Option<Vec<Scaled<'a>>>,
    output: Option<&'a Path>,
    dry_run: bool,
    bytes: Option<u64>,
    #[serde(flatten)]
    room: Option<Room>,
}

/// A tensor that changed.
#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [usize],
    layer: Option<&'a Layer>,
    kind: &'a str,
    norm_of_change: f64,
    relative_change: Option<f64>,
}

#[derive(Serialize)]
struct Matrix<'a> {
    name: &'a str,
    norm_of_change: f64,
    effective_rank: f64,
    stable_rank: f64,
    rank_of_95_percent: usize,
    singular_values_of_change: &'a [f32],
    singular_values: &'a [f32],
    cosines: &'a [f64],
    nearest: &'a [usize],
    inside: &'a [f64],
    similarity: &'a [Vec<f64>],
    least_similarity: Option<f64>,
    intruders: Vec<usize>,
}

#[derive(Serialize)]
struct Scaled<'a> {
    module: &'a str,
    intruders: &'a [usize],
    relative_change: f64,
}

impl Diff {
    pub(super) fn report<'a>(&'a self, found: &'a Found) -> Report<'a> {
        let changed = || found.changes.iter().filter(|change| change.is_changed());
        let tensor = |change: &'a TensorChange| Tensor {
            name: &change.name,
            shape: &change.shape,
            layer: change.layer.as_ref(),
            kind: &change.kind,
            norm_of_change: change.moved.sqrt(),
            relative_change: change.relative(),
        };
        let matrix = |matrix: &'a MatrixChange| Matrix {
            name: &matrix.name,
            norm_of_change: matrix.norm(),
            effective_rank: matrix.effective_rank(),
            stable_rank: matrix.stable_rank(),
            rank_of_95_percent: matrix.energy_rank(0.95),
            singular_values_of_change: &matrix.update,
            singular_values: &matrix.values,
            cosines: &matrix.alignment.cosines,
            nearest: &matrix.alignment.nearest,
            inside: &matrix.alignment.inside,
            similarity: &matrix.alignment.similarity,
            least_similarity: matrix.least_similarity(),
            intruders: matrix.intruders(self.epsilon, self.top),
        };
        let scaled = |mitigated: &'a Mitigated| Scaled {
            module: &mitigated.module,
            intruders: &mitigated.intruders,
            relative_change: mitigated.relative,
        };
        Report {
            base: &self.base,
            tuned: self.tuned.as_deref(),
            adapter: self.adapter.as_deref(),
            tensors: changed().map(tensor).collect(),
            unchanged: found.changes.len() - changed().count(),
            not_compared: &found.not_compared,
            relative_change: found.relative(),
            epsilon: self.epsilon,
            top: self.top,
            intruders: self.intruders.then(|| found.intruders(self.epsilon, self.top)),
            matrices: found.matrices.iter().map(matrix).collect(),
            mitigated: found.scaled.as_ref().map(|found| found.matrices.iter().map(scaled).collect()),
            output: self.output.as_deref(),
            dry_run: self.dry_run,
            bytes: found.scaled.as_ref().map(|scaled| scaled.bytes),
            room: found.scaled.as_ref().map(|scaled| scaled.room),
        }
    }
}
