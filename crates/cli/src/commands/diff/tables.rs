//! The tables of a fine-tune beside its base.

use super::{Diff, Found};
use crate::units;
use rankine_analyze::{ChangeSum, MatrixChange, by_kind, by_layer};
use rankine_report::{Cell, Column, Table};

/// By kind, and by layer.
pub fn groups(found: &Found) -> [Table; 2] {
    let all = ChangeSum::of(&found.changes);
    let row = |name: Cell, sum: &ChangeSum| {
        let counts = [Cell::from(sum.tensors), Cell::from(sum.changed)];
        let share = Cell::Percent(share(sum.moved, all.moved));
        [name].into_iter().chain(counts).chain([percent(sum.relative()), share])
    };
    let table = |first: &str, caption: &str| {
        let numbers = ["tensors", "changed", "relative change", "share of the change"].map(Column::number);
        Table::new([Column::text(first)].into_iter().chain(numbers)).caption(caption)
    };
    let mut kinds = table("kind", "By kind; shares are of the squared norm of all changes");
    for (kind, sum) in &by_kind(&found.changes) {
        kinds.row(row(Cell::text(*kind), sum));
    }
    let mut layers = table("layer", "By layer");
    for (layer, sum) in &by_layer(&found.changes) {
        let name = layer.as_ref().map_or_else(|| "outside".to_owned(), ToString::to_string);
        layers.row(row(Cell::text(name), sum));
    }
    [kinds, layers]
}

impl Diff {
    /// One row for every intruder; `None` where there is none.
    pub(super) fn intruder_table(&self, matrices: &[MatrixChange]) -> Option<Table> {
        let numbers =
            ["triple", "singular value", "largest cosine", "with", "inside the base", "norm of the change"];
        let columns = [Column::text("matrix")].into_iter().chain(numbers.map(Column::number));
        let mut table = Table::new(columns)
            .caption("Intruders; triples are counted from 1, the change is that of their matrix");
        for matrix in matrices {
            for at in matrix.intruders(self.epsilon, self.top) {
                table.row([
                    Cell::text(&matrix.name),
                    Cell::from(at + 1),
                    Cell::number(matrix.values[at], 4),
                    Cell::fixed(matrix.alignment.cosines[at], 3),
                    Cell::from(matrix.alignment.nearest[at] + 1),
                    Cell::fixed(matrix.alignment.inside[at], 3),
                    Cell::number(matrix.norm(), 3),
                ]);
            }
        }
        (!table.rows.is_empty()).then_some(table)
    }

    /// The matrices that were looked into, for a terminal.
    pub(super) fn matrix_table(&self, matrices: &[MatrixChange]) -> Table {
        let columns = [Column::text("matrix"), Column::number("norm")].into_iter();
        let top = self.top;
        let caption = format!(
            "The changes of the matrices; least similarity: of the first {top} left vectors the one that is least like any of \
             the first {top} of the base"
        );
        let mut table = Table::new(columns.chain(MEASURED.map(Column::number))).caption(caption);
        for matrix in matrices {
            let first = [Cell::text(&matrix.name), Cell::number(matrix.norm(), 3)];
            table.row(first.into_iter().chain(self.measured(Some(matrix))));
        }
        table
    }

    /// Every tensor that changed, with what is known of its change.
    pub(super) fn changed_table(&self, found: &Found) -> Table {
        let names = ["tensor", "shape"].map(Column::text);
        let numbers = ["norm of the change", "relative change", "share of the change"].map(Column::number);
        let measured = MEASURED.map(Column::number);
        let caption =
            "Every changed tensor; ranks and similarities are of the matrices that were looked into";
        let mut table = Table::new(names.into_iter().chain(numbers).chain(measured)).caption(caption);
        let all = ChangeSum::of(&found.changes).moved;
        let matrices = found.matrices_by_name();
        for change in found.changes.iter().filter(|change| change.is_changed()) {
            let first = [
                Cell::text(&change.name),
                Cell::text(units::shape(&change.shape)),
                Cell::number(change.moved.sqrt(), 3),
                percent(change.relative()),
                Cell::Percent(share(change.moved, all)),
            ];
            let matrix = matrices.get(change.name.as_str()).copied();
            table.row(first.into_iter().chain(self.measured(matrix)));
        }
        table
    }

    /// What stands below [`MEASURED`].
    fn measured(&self, matrix: Option<&MatrixChange>) -> [Cell; MEASURED.len()] {
        let Some(matrix) = matrix else { return MEASURED.map(|_| Cell::Missing) };
        let similarity = matrix.least_similarity();
        [
            Cell::number(matrix.effective_rank(), 3),
            Cell::number(matrix.stable_rank(), 3),
            Cell::from(matrix.energy_rank(0.95)),
            Cell::from(matrix.intruders(self.epsilon, self.top).len()),
            similarity.map_or(Cell::Missing, |similarity| Cell::fixed(similarity, 3)),
        ]
    }
}

/// What is known of a matrix that was looked into.
const MEASURED: [&str; 5] =
    ["effective rank", "stable rank", "rank of 95 %", "intruders", "least similarity"];

fn share(part: f64, all: f64) -> f64 {
    if all == 0.0 { 0.0 } else { part / all }
}

pub fn percent(share: Option<f64>) -> Cell {
    share.map_or(Cell::Missing, Cell::Percent)
}
