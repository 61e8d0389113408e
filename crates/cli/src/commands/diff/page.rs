//! What `rankine diff` found, on a page: the brief one of the terminal, and the whole one, which begins with a map.

use super::tables::{self, percent};
use super::{Diff, Found, notes};
use crate::disk::Room;
use rankine_analyze::{ChangeSum, MatrixChange, change_map, sweep};
use rankine_report::{Axis, Cell, Heat, Level, Lines, Page, Series, Style, format};
use rankine_surgery::Mitigated;
use std::collections::HashMap;

/// Thresholds that intruders are counted at.
const EPSILONS: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Matrices whose similarities are drawn.
const DRAWN: usize = 6;

/// What was written with intruders scaled, or would be.
pub(super) struct Scaled {
    pub matrices: Vec<Mitigated>,
    /// Of an adapter, the share of its change that the cut to its rank took.
    pub lost: Option<f64>,
    /// Size of the weights.
    pub bytes: u64,
    pub room: Room,
}

impl Found {
    /// √(Σ ‖ΔW‖² / Σ ‖W₀‖²) over all tensors.
    pub(super) fn relative(&self) -> Option<f64> {
        ChangeSum::of(&self.changes).relative()
    }

    pub(super) fn intruders(&self, epsilon: f64, top: usize) -> usize {
        sweep(&self.matrices, &[top], &[epsilon]).into_iter().flatten().sum()
    }

    /// The matrices that were looked into.
    pub(super) fn matrices_by_name(&self) -> HashMap<&str, &MatrixChange> {
        self.matrices.iter().map(|matrix| (matrix.name.as_str(), matrix)).collect()
    }

    fn is_changed(&self) -> bool {
        self.changes.iter().any(|change| change.is_changed())
    }
}

impl Diff {
    /// What fits on a terminal.
    pub(super) fn page(&self, found: &Found) -> Page {
        let mut page = self.overview(found);
        if !found.is_changed() {
            return page;
        }
        for table in tables::groups(found) {
            page.table(table);
        }
        let map = change_map(&found.changes);
        if !map.layers.is_empty() {
            let axis = Axis::linear("relative change");
            let heat = Heat::new("Relative change by layer and kind", axis, map.relative());
            page.plot(heat.names(map.layers, map.kinds));
        }
        if self.intruders {
            self.add_intruders(&mut page, found);
            if !found.matrices.is_empty() {
                page.table(self.matrix_table(&found.matrices));
            }
        }
        if let Some(scaled) = &found.scaled {
            self.add_scaled(&mut page, scaled);
        }
        page
    }

    /// With everything that is worth a look in a browser.
    pub(super) fn full_page(&self, found: &Found) -> Page {
        let mut page = self.overview(found);
        if !found.is_changed() {
            return page;
        }
        if let Some(explorer) = self.explorer(found) {
            page.section("Layers").explorer(explorer);
            if !self.intruders {
                let text =
                    "with `--intruders` this map also shows ranks, spectra and intruders of the changes";
                page.note(Level::Note, text);
            }
        }
        if self.intruders {
            self.add_intruders(&mut page, found);
            self.add_similarities(&mut page, found);
        }
        if let Some(scaled) = &found.scaled {
            self.add_scaled(&mut page, scaled);
        }
        page.section("Kinds and layers");
        for table in tables::groups(found) {
            page.table(table);
        }
        page.section("Tensors").table(self.changed_table(found));
        page
    }

    fn overview(&self, found: &Found) -> Page {
        let tuned = match (&self.tuned, &self.adapter) {
            (Some(tuned), _) => tuned.clone(),
            (None, adapter) => adapter.iter().map(|folder| format!("with {}", folder.display())).collect(),
        };
        let mut page = Page::new(format!("{} and {tuned}", self.base));
        let sum = ChangeSum::of(&found.changes);
        if sum.changed == 0 {
            let which = if found.not_compared.is_empty() { "" } else { " that were compared" };
            let text = format!("nothing changed: all {} tensors{which} are equal", sum.tensors);
            page.note(Level::Note, text);
        } else {
            page.facts(&[
                ("tensors", Cell::from(sum.tensors)),
                ("changed", Cell::from(sum.changed)),
                ("relative change", percent(sum.relative())),
            ]);
            notes::add_damage(&mut page, found);
        }
        notes::add_not_compared(&mut page, found);
        page
    }

    fn add_intruders(&self, page: &mut Page, found: &Found) {
        page.section("Intruder dimensions");
        let count = found.intruders(self.epsilon, self.top);
        page.facts(&[
            ("matrices looked into", Cell::from(found.matrices.len())),
            ("intruders", Cell::from(count)),
            ("largest cosine below", Cell::number(self.epsilon, 3)),
            ("triples of a matrix", Cell::from(self.top)),
        ]);
        if found.matrices.is_empty() {
            let text = "of the linear layers and convolutions that were compared none changed";
            page.note(Level::Note, text);
            return;
        }
        let tops = tops(self.top);
        let counts = sweep(&found.matrices, &tops, &EPSILONS);
        let name = |top: &usize| format!("first {top}");
        let series = tops.iter().zip(&counts).rev().map(|(top, counts)| {
            let points = EPSILONS.iter().zip(counts).map(|(&epsilon, &count)| (epsilon, count as f64));
            Series::new(name(top), points).style(Style::Marked)
        });
        let (x, y) = (Axis::linear("largest cosine below"), Axis::linear("intruders"));
        page.plot(series.fold(Lines::new("Intruders by threshold", x, y), Lines::series));
        if let Some(table) = self.intruder_table(&found.matrices) {
            page.table(table);
        }
    }

    /// Of the matrices with most intruders.
    fn add_similarities(&self, page: &mut Page, found: &Found) {
        let mut matrices: Vec<&MatrixChange> = found.matrices.iter().collect();
        matrices.sort_by_key(|matrix| std::cmp::Reverse(matrix.intruders(self.epsilon, self.top).len()));
        if matrices.is_empty() {
            return;
        }
        page.section("Leading singular vectors, tuned against base");
        for matrix in matrices.into_iter().take(DRAWN) {
            let values = matrix.alignment.similarity.clone();
            let names = |count: usize| (1..=count).map(|at| at.to_string());
            let columns = values.first().map_or(0, Vec::len);
            let rows = names(values.len());
            let heat = Heat::new(matrix.name.as_str(), Axis::linear("cosine"), values);
            page.plot(heat.names(rows, names(columns)));
        }
    }

    fn add_scaled(&self, page: &mut Page, scaled: &Scaled) {
        let output = self.output.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        page.section(format!("{} {output}", if self.dry_run { "Would write" } else { "Written to" }));
        let count: usize = scaled.matrices.iter().map(|matrix| matrix.intruders.len()).sum();
        page.facts(&[
            ("intruders scaled", Cell::from(count)),
            ("matrices", Cell::from(scaled.matrices.len())),
            ("factor", Cell::from(self.mitigate)),
            ("size", Cell::Bytes(scaled.bytes)),
            scaled.room.fact(),
        ]);
        if let Some(lost) = scaled.lost.filter(|lost| 1e-5 < *lost) {
            let text = format!(
                "the cut to the adapter's rank took {} of its change; `--exact` keeps all, with larger ranks",
                format::percent(lost)
            );
            page.note(Level::Note, text);
        }
        if count == 0 {
            page.note(Level::Note, "there are no intruders: nothing is scaled");
        }
    }
}

/// How many triples intruders are counted among.
fn tops(top: usize) -> Vec<usize> {
    let mut tops: Vec<usize> = [1, 3, 5].into_iter().filter(|&less| less < top).collect();
    tops.push(top);
    tops
}
