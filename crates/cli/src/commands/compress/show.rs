//! What a compression did, for people and for programs.

use super::Compress;
use super::way::Method;
use crate::disk::Room;
use crate::quality::{self, Quality};
use crate::units;
use rankine_report::{Cell, Column, Level, Page, Table};
use rankine_surgery::{CompressedMatrix, CompressionReport};
use serde::Serialize;
use std::path::Path;

/// How many modules that were left alone a note names.
const NAMED: usize = 5;

/// The result in JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    output: &'a Path,
    method: Method,
    dry_run: bool,
    parameters_before: u64,
    parameters: u64,
    bytes_before: u64,
    bytes: u64,
    relative_error: Option<f64>,
    #[serde(flatten)]
    room: Room,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<Evaluation<'a>>,
    matrices: Vec<Matrix<'a>>,
    left: &'a [String],
}

/// The model before and after.
#[derive(Clone, Copy, Serialize)]
pub struct Evaluation<'a> {
    pub data: &'a Path,
    pub original: Quality,
    pub compressed: Quality,
}

#[derive(Serialize)]
struct Matrix<'a> {
    module: &'a str,
    shape: [usize; 2],
    rank: Option<usize>,
    relative_error: Option<f64>,
}

impl Compress {
    pub(super) fn report<'a>(
        &'a self,
        report: &'a CompressionReport,
        evaluation: Option<Evaluation<'a>>,
        room: Room,
    ) -> Report<'a> {
        let matrix = |matrix: &'a CompressedMatrix| Matrix {
            module: &matrix.module,
            shape: matrix.shape,
            rank: matrix.rank,
            relative_error: matrix.relative,
        };
        Report {
            output: &self.weights.output,
            method: self.way.method,
            dry_run: self.dry_run,
            parameters_before: report.parameters,
            parameters: report.plan.parameters,
            bytes_before: report.bytes,
            bytes: report.plan.bytes,
            relative_error: report.relative,
            room,
            evaluation,
            matrices: report.matrices.iter().map(matrix).collect(),
            left: &report.left,
        }
    }

    pub(super) fn page(
        &self,
        report: &CompressionReport,
        evaluation: Option<Evaluation<'_>>,
        room: Room,
    ) -> Page {
        let title = if self.dry_run { "Would write" } else { "Compressed into" };
        let mut page = Page::new(format!("{title} {}", self.weights.output.display()));
        page.facts(&[
            ("matrices made smaller", Cell::Count(report.matrices.len() as u64)),
            ("left alone", Cell::Count(report.left.len() as u64)),
            ("parameters before", Cell::Count(report.parameters)),
            ("parameters", Cell::Count(report.plan.parameters)),
            ("weights before", Cell::Bytes(report.bytes)),
            ("weights", Cell::Bytes(report.plan.bytes)),
            ("relative error", report.relative.map(Cell::Percent).into()),
            room.fact(),
        ]);
        if let Some(Evaluation { data, original, compressed }) = evaluation {
            page.table(quality::table(data, &[("original", original), ("compressed", compressed)]));
        }
        let names = [Column::text("module"), Column::text("shape")];
        let numbers = [Column::number("rank"), Column::number("relative error")];
        let mut table = Table::new(names.into_iter().chain(numbers));
        for CompressedMatrix { module, shape, rank, relative } in &report.matrices {
            table.row([
                Cell::text(module),
                Cell::text(units::shape(shape)),
                rank.map_or(Cell::Missing, |rank| Cell::Count(rank as u64)),
                relative.map(Cell::Percent).into(),
            ]);
        }
        page.table(table);
        if !report.left.is_empty() {
            let named = report.left.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if NAMED < report.left.len() { " …" } else { "" };
            page.note(Level::Note, format!("left alone: {named}{more}"));
        }
        let thin = !self.dense && report.matrices.iter().any(|matrix| matrix.rank.is_some());
        if thin && !self.dry_run {
            let text = format!(
                "the weights are stored as factors, which other programs do not read: `rankine merge {} --output WHOLE` \
                 multiplies them out",
                self.weights.output.display()
            );
            page.note(Level::Note, text);
        }
        page
    }
}
