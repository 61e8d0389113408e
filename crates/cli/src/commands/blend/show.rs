//! What a blend did, for people and for programs.

use super::Blend;
use crate::disk::Room;
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_surgery::{BlendReport, BlendedGroup, BlendedTensor, ModelRead};
use serde::Serialize;
use std::path::Path;

/// The result in JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    output: &'a Path,
    recipe: &'a Path,
    method: &'a str,
    seed: u64,
    dry_run: bool,
    parameters: u64,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
    memory_bytes: u64,
    models: Vec<Read<'a>>,
    tensors: Vec<Tensor<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Read<'a> {
    model: &'a str,
    path: &'a Path,
    bytes: u64,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [usize],
    made: &'a str,
    models: &'a [String],
    settings: serde_json::Map<String, serde_json::Value>,
    relative_change: Option<f64>,
}

impl Blend {
    /// All of it, for programs.
    pub(super) fn report<'a>(&'a self, report: &'a BlendReport, room: Room) -> Report<'a> {
        let read = |ModelRead { name, path, bytes }: &'a ModelRead| Read { model: name, path, bytes: *bytes };
        let tensor = |tensor: &'a BlendedTensor| Tensor {
            name: &tensor.name,
            shape: &tensor.shape,
            made: tensor.way,
            models: &tensor.models,
            settings: tensor
                .settings
                .iter()
                .map(|(name, values)| ((*name).to_owned(), one_or_all(values)))
                .collect(),
            relative_change: tensor.relative,
        };
        Report {
            output: &self.weights.output,
            recipe: &self.recipe,
            method: report.method,
            seed: self.seed,
            dry_run: self.dry_run,
            parameters: report.plan.parameters,
            bytes: report.plan.bytes,
            room,
            memory_bytes: report.memory,
            models: report.models.iter().map(read).collect(),
            tensors: report.tensors.iter().map(tensor).collect(),
            warnings: &report.warnings,
        }
    }

    /// The overview, for people.
    pub(super) fn page(&self, report: &BlendReport, room: Room) -> Page {
        let title = if self.dry_run { "Would write" } else { "Blended into" };
        let mut page = Page::new(format!("{title} {}", self.weights.output.display()));
        page.facts(&[
            ("method", Cell::text(report.method)),
            ("parameters", Cell::Count(report.plan.parameters)),
            ("weights", Cell::Bytes(report.plan.bytes)),
            ("files", Cell::from(report.plan.files.len())),
            room.fact(),
            ("memory for numbers", Cell::Bytes(report.memory)),
        ]);
        let mut models =
            Table::new([Column::text("model"), Column::text("read from"), Column::number("bytes")]);
        for ModelRead { name, path, bytes } in &report.models {
            models.row([Cell::text(name), Cell::text(path.display().to_string()), Cell::Bytes(*bytes)]);
        }
        page.table(models);
        let names = [Column::text("tensors"), Column::number("count"), Column::text("made")];
        let values = [Column::text("settings"), Column::number("largest change")];
        let mut tensors = Table::new(names.into_iter().chain(values));
        for BlendedGroup { name, tensors: count, way, settings, relative } in report.groups() {
            let settings: Vec<String> = settings.iter().map(|(name, ranges)| setting(name, ranges)).collect();
            tensors.row([
                Cell::text(name),
                Cell::from(count),
                Cell::text(way),
                Cell::text(settings.join("; ")),
                relative.map_or(Cell::Missing, Cell::Percent),
            ]);
        }
        page.table(tensors);
        for warning in &report.warnings {
            page.note(Level::Warning, warning.as_str());
        }
        page
    }
}

/// One value as a number, several as a list.
fn one_or_all(values: &[f64]) -> serde_json::Value {
    match values {
        [one] => (*one).into(),
        all => all.into(),
    }
}

/// `weight 0.5, 0 to 1`.
fn setting(name: &str, ranges: &[[f64; 2]]) -> String {
    let range = |[least, largest]: &[f64; 2]| match format::number(*least, 4) {
        same if same == format::number(*largest, 4) => same,
        least => format!("{least} to {}", format::number(*largest, 4)),
    };
    format!("{name} {}", ranges.iter().map(range).collect::<Vec<_>>().join(", "))
}
