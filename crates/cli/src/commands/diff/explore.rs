//! The map of what changed, by layer and kind, with the spectrum of each change.

use super::{Diff, Found};
use crate::curve;
use rankine_analyze::{ChangeCell, ChangeSum, MatrixChange, change_map};
use rankine_report::{Axis, Explorer, Metric};

/// A tensor on the map.
struct Site<'a> {
    sum: ChangeSum,
    /// ‖W − W₀‖² of the whole model.
    moved: f64,
    /// Where it was looked into.
    matrix: Option<&'a MatrixChange>,
    diff: &'a Diff,
}

/// What the map can show: its name, whether on a log scale, the number.
type Measure = (&'static str, bool, fn(&Site<'_>) -> Option<f64>);

const MEASURES: [Measure; 8] = [
    ("relative change", false, |site| site.sum.relative()),
    ("share of the change", false, |site| (0.0 < site.moved).then(|| site.sum.moved / site.moved)),
    ("norm of the change", false, |site| Some(site.sum.moved.sqrt())),
    ("effective rank of the change", true, |site| Some(site.matrix?.effective_rank())),
    ("stable rank of the change", true, |site| Some(site.matrix?.stable_rank())),
    ("rank of 95 % of the change", true, |site| Some(site.matrix?.energy_rank(0.95) as f64)),
    ("intruders", false, |site| Some(site.matrix?.intruders(site.diff.epsilon, site.diff.top).len() as f64)),
    ("least similarity", false, |site| site.matrix?.least_similarity()),
];

impl Diff {
    /// `None` of a model without layers.
    pub(super) fn explorer(&self, found: &Found) -> Option<Explorer> {
        let map = change_map(&found.changes);
        if map.layers.is_empty() {
            return None;
        }
        let matrices = found.matrices_by_name();
        let moved = ChangeSum::of(&found.changes).moved;
        let site = |cell: &ChangeCell| {
            let matrix = matrices.get(cell.tensor.as_str()).copied();
            Site { sum: cell.sum, moved, matrix, diff: self }
        };
        let sites: Vec<Option<Site<'_>>> = map.cells.iter().map(|cell| cell.as_ref().map(site)).collect();
        let metric = |(name, log, value): Measure| {
            let value = |site: &Option<Site<'_>>| site.as_ref().and_then(value).unwrap_or(f64::NAN);
            Metric { name: name.to_owned(), log, values: sites.iter().map(value).collect() }
        };
        let is_known = |metric: &Metric| metric.values.iter().any(|value| value.is_finite());
        let label =
            |cell: &Option<ChangeCell>| cell.as_ref().map_or_else(String::new, |cell| cell.tensor.clone());
        let spectrum = |site: &Option<Site<'_>>| curve::thinned(&site.as_ref()?.matrix?.update);
        Some(Explorer {
            title: "Changes by layer and kind".to_owned(),
            metrics: MEASURES.into_iter().map(metric).filter(is_known).collect(),
            spectra: sites.iter().map(spectrum).collect(),
            labels: map.cells.iter().map(label).collect(),
            rows: map.layers,
            columns: map.kinds,
            spectrum_axes: (
                Axis::linear("from the largest to the smallest"),
                Axis::log("singular value of the change"),
            ),
        })
    }
}
