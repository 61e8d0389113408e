//! What `rankine diff` found, on a page.

use super::{Diff, Found};
use crate::units;
use rankine_analyze::{ChangeSum, MatrixChange, by_kind, by_layer, change_map, sweep};
use rankine_report::{Axis, Cell, Column, Heat, Level, Lines, Page, Series, Style, Table, format};
use rankine_surgery::Mitigated;

/// Thresholds that intruders are counted at.
const EPSILONS: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Damaged tensors that are named.
const NAMED: usize = 3;

/// Matrices whose similarities are drawn.
const DRAWN: usize = 6;

/// What was written with intruders scaled.
pub(super) struct Scaled {
    pub matrices: Vec<Mitigated>,
    /// Of an adapter, the share of its change that the cut to its rank took.
    pub lost: Option<f64>,
}

impl Found {
    /// √(Σ ‖ΔW‖² / Σ ‖W₀‖²) over all tensors.
    pub(super) fn relative(&self) -> Option<f64> {
        ChangeSum::of(&self.changes).relative()
    }

    pub(super) fn intruders(&self, epsilon: f64, top: usize) -> usize {
        sweep(&self.matrices, &[top], &[epsilon]).into_iter().flatten().sum()
    }
}

impl Diff {
    /// What fits on a terminal.
    pub(super) fn page(&self, found: &Found) -> Page {
        let tuned = match (&self.tuned, &self.adapter) {
            (Some(tuned), _) => tuned.clone(),
            (None, adapter) => adapter.iter().map(|folder| format!("with {}", folder.display())).collect(),
        };
        let mut page = Page::new(format!("{} and {tuned}", self.base));
        let sum = ChangeSum::of(&found.changes);
        if sum.changed == 0 {
            page.note(Level::Note, format!("nothing changed: all {} tensors are equal", sum.tensors));
            return page;
        }
        page.facts(&[
            ("tensors", Cell::from(sum.tensors)),
            ("changed", Cell::from(sum.changed)),
            ("relative change", percent(sum.relative())),
        ]);
        add_damage(&mut page, found);
        add_groups(&mut page, found, sum);
        if self.intruders {
            self.add_intruders(&mut page, found);
        }
        if let Some(scaled) = &found.scaled {
            self.add_scaled(&mut page, scaled);
        }
        page
    }

    /// With everything that is worth a look in a browser.
    pub(super) fn full_page(&self, found: &Found) -> Page {
        let mut page = self.page(found);
        add_similarities(&mut page, found, self.epsilon, self.top);
        let names = [Column::text("tensor"), Column::text("shape")];
        let numbers = ["norm of the change", "relative change"].map(Column::number);
        let mut table = Table::new(names.into_iter().chain(numbers));
        for change in found.changes.iter().filter(|change| change.is_changed()) {
            let shape = units::shape(&change.shape);
            let norm = Cell::number(change.moved.sqrt(), 3);
            table.row([Cell::text(&change.name), Cell::text(shape), norm, percent(change.relative())]);
        }
        if !table.rows.is_empty() {
            page.section("Every changed tensor").table(table);
        }
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
        page.table(self.intruder_table(&found.matrices));
        page.table(update_table(&found.matrices, self.epsilon, self.top));
    }

    fn intruder_table(&self, matrices: &[MatrixChange]) -> Table {
        let numbers = ["triple", "singular value", "largest cosine", "with", "inside the base"];
        let columns = [Column::text("matrix")].into_iter().chain(numbers.map(Column::number));
        let mut table = Table::new(columns).caption("Intruders; triples are counted from 1");
        for matrix in matrices {
            for at in matrix.intruders(self.epsilon, self.top) {
                table.row([
                    Cell::text(&matrix.name),
                    Cell::from(at + 1),
                    Cell::number(matrix.values[at], 4),
                    Cell::fixed(matrix.alignment.cosines[at], 3),
                    Cell::from(matrix.alignment.nearest[at] + 1),
                    Cell::fixed(matrix.alignment.inside[at], 3),
                ]);
            }
        }
        table
    }

    fn add_scaled(&self, page: &mut Page, scaled: &Scaled) {
        let output = self.output.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        page.section(format!("Written to {output}"));
        let count: usize = scaled.matrices.iter().map(|matrix| matrix.intruders.len()).sum();
        page.facts(&[
            ("intruders scaled", Cell::from(count)),
            ("matrices", Cell::from(scaled.matrices.len())),
            ("factor", Cell::from(self.mitigate)),
        ]);
        if let Some(lost) = scaled.lost.filter(|lost| 1e-5 < *lost) {
            let text = format!(
                "the cut to the adapter's rank took {} of its change; `--exact` keeps all, with larger ranks",
                format::percent(lost)
            );
            page.note(Level::Note, text);
        }
        if count == 0 {
            page.note(Level::Note, "there were no intruders: nothing was scaled");
        }
    }
}

/// How many triples intruders are counted among.
fn tops(top: usize) -> Vec<usize> {
    let mut tops: Vec<usize> = [1, 3, 5].into_iter().filter(|&less| less < top).collect();
    tops.push(top);
    tops
}

fn add_groups(page: &mut Page, found: &Found, all: ChangeSum) {
    let row = |name: Cell, sum: &ChangeSum| {
        let share = if all.moved == 0.0 { 0.0 } else { sum.moved / all.moved };
        let counts = [Cell::from(sum.tensors), Cell::from(sum.changed)];
        [name].into_iter().chain(counts).chain([percent(sum.relative()), Cell::Percent(share)])
    };
    let table = |first: &str, caption: &str| {
        let numbers = ["tensors", "changed", "relative change", "share of the change"].map(Column::number);
        Table::new([Column::text(first)].into_iter().chain(numbers)).caption(caption)
    };
    let mut kinds = table("kind", "By kind; shares are of the squared norm of all changes");
    for (kind, sum) in &by_kind(&found.changes) {
        kinds.row(row(Cell::text(*kind), sum));
    }
    page.table(kinds);
    let mut layers = table("layer", "By layer");
    for (layer, sum) in &by_layer(&found.changes) {
        let name = layer.as_ref().map_or_else(|| "outside".to_owned(), ToString::to_string);
        layers.row(row(Cell::text(name), sum));
    }
    page.table(layers);
    let map = change_map(&found.changes);
    if !map.layers.is_empty() {
        let heat =
            Heat::new("Relative change by layer and kind", Axis::linear("relative change"), map.values);
        page.plot(heat.names(map.layers, map.kinds));
    }
}

fn update_table(matrices: &[MatrixChange], epsilon: f64, top: usize) -> Table {
    let numbers = ["effective rank", "stable rank", "rank of 95 %", "of", "intruders"];
    let columns = [Column::text("matrix")].into_iter().chain(numbers.map(Column::number));
    let mut table = Table::new(columns).caption("The changes of the matrices");
    for matrix in matrices {
        table.row([
            Cell::text(&matrix.name),
            Cell::number(matrix.effective_rank(), 3),
            Cell::number(matrix.stable_rank(), 3),
            Cell::from(matrix.energy_rank(0.95)),
            Cell::from(matrix.update.len()),
            Cell::from(matrix.intruders(epsilon, top).len()),
        ]);
    }
    table
}

/// Tensors with numbers that make every sum NaN.
fn add_damage(page: &mut Page, found: &Found) {
    let damaged = found.changes.iter().filter(|change| !(change.before + change.moved).is_finite());
    let names: Vec<String> = damaged.map(|change| format!("`{}`", change.name)).collect();
    let more = match names.len().saturating_sub(NAMED) {
        _ if names.is_empty() => return,
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = names[..names.len().min(NAMED)].join(", ");
    page.note(Level::Warning, format!("one of the models has numbers that are not finite: {shown}{more}"));
}

/// Of the matrices with most intruders.
fn add_similarities(page: &mut Page, found: &Found, epsilon: f64, top: usize) {
    let mut matrices: Vec<&MatrixChange> = found.matrices.iter().collect();
    matrices.sort_by_key(|matrix| std::cmp::Reverse(matrix.intruders(epsilon, top).len()));
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

fn percent(share: Option<f64>) -> Cell {
    share.map_or(Cell::Missing, Cell::Percent)
}
