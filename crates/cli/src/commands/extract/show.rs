//! What an extraction found, for people and for programs.

use super::Extract;
use crate::disk::Room;
use crate::units;
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_surgery::{ExtractReport, ExtractedModule, LeftTensor};
use serde::Serialize;
use std::path::Path;

/// The result in JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    output: &'a Path,
    dry_run: bool,
    rank: usize,
    numbers: usize,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
    relative_error: f64,
    energy: f64,
    modules: Vec<Module<'a>>,
    left: Vec<Left<'a>>,
    unchanged: usize,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    shape: [usize; 2],
    relative_change: Option<f64>,
    rank: usize,
    energy: f64,
    relative_error: f64,
    output_error: Option<f64>,
}

#[derive(Serialize)]
struct Left<'a> {
    name: &'a str,
    relative_change: Option<f64>,
    whole: bool,
}

impl Extract {
    pub(super) fn report<'a>(&'a self, report: &'a ExtractReport, room: Room) -> Report<'a> {
        let module = |module: &'a ExtractedModule| Module {
            module: &module.module,
            shape: module.shape,
            relative_change: module.moved,
            rank: module.rank,
            energy: module.energy(),
            relative_error: module.relative,
            output_error: module.output,
        };
        let left = |left: &'a LeftTensor| Left {
            name: &left.name,
            relative_change: left.relative,
            whole: left.whole,
        };
        Report {
            output: &self.output.output,
            dry_run: self.output.writing.dry_run,
            rank: report.adapter.config.rank,
            numbers: report.numbers(),
            bytes: report.adapter.bytes(),
            room,
            relative_error: report.relative,
            energy: report.energy(),
            modules: report.modules.iter().map(module).collect(),
            left: report.left.iter().map(left).collect(),
            unchanged: report.unchanged,
        }
    }

    pub(super) fn page(&self, report: &ExtractReport, room: Room) -> Page {
        let title = if self.output.writing.dry_run { "Would write adapter" } else { "Adapter" };
        let mut page = Page::new(format!("{title} {}", self.output.output.display()));
        let rank = units::range(report.modules.iter().map(|module| module.rank));
        page.facts(&[
            ("linear layers that changed", Cell::from(report.modules.len())),
            ("rank", Cell::text(rank)),
            ("numbers", Cell::from(report.numbers())),
            ("size", Cell::Bytes(report.adapter.bytes())),
            room.fact(),
            ("energy kept", Cell::Percent(report.energy())),
            ("relative error", Cell::Percent(report.relative)),
            ("tensors that did not change", Cell::from(report.unchanged)),
        ]);
        page.table(module_table(&report.modules));
        add_left(&mut page, &report.left);
        page
    }
}

fn module_table(modules: &[ExtractedModule]) -> Table {
    let answers = modules.iter().any(|module| module.output.is_some());
    let numbers = ["relative change", "rank", "energy kept", "relative error"];
    let last = answers.then(|| Column::number("error of answers"));
    let columns = [Column::text("module")].into_iter().chain(numbers.map(Column::number)).chain(last);
    let mut table = Table::new(columns);
    for module in modules {
        let cells = [
            Cell::text(&module.module),
            module.moved.map_or(Cell::Missing, Cell::Percent),
            Cell::from(module.rank),
            Cell::Percent(module.energy()),
            Cell::Percent(module.relative),
        ];
        let last = answers.then(|| module.output.map_or(Cell::Missing, Cell::Percent));
        table.row(cells.into_iter().chain(last));
    }
    table
}

/// What the adapter holds whole, and what it does not hold.
fn add_left(page: &mut Page, left: &[LeftTensor]) {
    let listed = |whole: bool| {
        let of_kind = left.iter().filter(|tensor| tensor.whole == whole);
        let line = |tensor: &LeftTensor| match tensor.relative {
            Some(relative) => format!("{} ({})", tensor.name, format::percent(relative)),
            None => tensor.name.clone(),
        };
        of_kind.map(line).collect::<Vec<_>>().join(", ")
    };
    let (whole, lost) = (listed(true), listed(false));
    if !whole.is_empty() {
        page.note(Level::Note, format!("kept whole, with their relative change: {whole}"));
    }
    if !lost.is_empty() {
        let text = format!("these changed too and are lost, with their relative change: {lost}");
        page.note(Level::Warning, text);
    }
}
