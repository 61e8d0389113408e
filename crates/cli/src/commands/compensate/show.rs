//! What a compensation did, for people and for programs.

use super::{Compensate, Method};
use crate::disk::Room;
use crate::quality::{self, Quality};
use crate::units;
use rankine_report::{Cell, Column, Level, Page, Table};
use rankine_surgery::{Compensated, CompensatedModule, CompensationPlan, Norms};
use serde::Serialize;
use std::path::Path;

/// The result in JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    output: &'a Path,
    method: Method,
    rank: usize,
    merged: bool,
    dry_run: bool,
    numbers: u64,
    #[serde(flatten)]
    room: Room,
    errors: Errors,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<Evaluation<'a>>,
    modules: Vec<Module<'a>>,
    left: &'a [String],
}

/// What there may be at most, in JSON.
#[derive(Serialize)]
pub struct Planned<'a> {
    output: &'a Path,
    method: Method,
    rank: usize,
    merged: bool,
    dry_run: bool,
    modules: usize,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
}

/// The model as it was, compressed, and compensated.
#[derive(Clone, Copy, Serialize)]
pub struct Evaluation<'a> {
    pub data: &'a Path,
    pub original: Quality,
    pub compressed: Quality,
    pub compensated: Quality,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    shape: [usize; 2],
    rank: usize,
    #[serde(flatten)]
    errors: Errors,
}

/// Relative errors, before and after: of the matrix, and of what it answers to the calibration data.
#[derive(Serialize)]
struct Errors {
    weight_error: Option<[f64; 2]>,
    output_error: Option<[f64; 2]>,
}

impl Errors {
    fn of(plain: Norms, activation: Norms) -> Self {
        Self { weight_error: plain.relative(), output_error: activation.relative() }
    }
}

impl Compensate {
    pub(super) fn report<'a>(
        &'a self,
        compensated: &'a Compensated,
        evaluation: Option<Evaluation<'a>>,
        room: Room,
    ) -> Report<'a> {
        let module = |told: &'a CompensatedModule| Module {
            module: &told.module,
            shape: told.shape,
            rank: told.rank,
            errors: Errors::of(told.plain, told.activation),
        };
        Report {
            output: &self.weights.output,
            method: self.method,
            rank: self.rank,
            merged: self.merge,
            dry_run: false,
            numbers: numbers(compensated),
            room,
            errors: Errors::of(compensated.plain, compensated.activation),
            evaluation,
            modules: compensated.modules.iter().map(module).collect(),
            left: &compensated.left,
        }
    }

    pub(super) fn planned(&self, plan: CompensationPlan, room: Room) -> Planned<'_> {
        Planned {
            output: &self.weights.output,
            method: self.method,
            rank: self.rank,
            merged: self.merge,
            dry_run: true,
            modules: plan.modules,
            bytes: plan.bytes,
            room,
        }
    }

    pub(super) fn planned_page(&self, plan: CompensationPlan, room: Room) -> Page {
        let mut page = Page::new(format!("Would write {}", self.weights.output.display()));
        page.facts(&[
            ("layers corrected at most", Cell::from(plan.modules)),
            ("rank", Cell::from(self.rank)),
            (if self.merge { "weights" } else { "corrections at most" }, Cell::Bytes(plan.bytes)),
            room.fact(),
        ]);
        page
    }

    pub(super) fn page(
        &self,
        compensated: &Compensated,
        evaluation: Option<Evaluation<'_>>,
        room: Room,
    ) -> Page {
        let title = if self.merge { "Compensated into" } else { "Correction" };
        let mut page = Page::new(format!("{title} {}", self.weights.output.display()));
        let Errors { weight_error, output_error } = Errors::of(compensated.plain, compensated.activation);
        let [before, after] = errors(output_error);
        let [weight_before, weight_after] = errors(weight_error);
        page.facts(&[
            ("layers corrected", Cell::Count(compensated.modules.len() as u64)),
            ("unchanged by the compression", Cell::Count(compensated.left.len() as u64)),
            ("numbers", Cell::Count(numbers(compensated))),
            ("output error before", before),
            ("output error", after),
            ("weight error before", weight_before),
            ("weight error", weight_after),
            room.fact(),
        ]);
        if let Some(Evaluation { data, original, compressed, compensated }) = evaluation {
            let models = [("original", original), ("compressed", compressed), ("compensated", compensated)];
            page.table(quality::table(data, &models));
        }
        page.table(table(&compensated.modules));
        if !self.merge {
            let text =
                format!("for `{}` alone: `--adapter {}`", self.compressed, self.weights.output.display());
            page.note(Level::Note, text);
        }
        page
    }
}

fn table(modules: &[CompensatedModule]) -> Table {
    let names = [Column::text("module"), Column::text("shape"), Column::number("rank")];
    let kinds = ["output error before", "output error", "weight error before", "weight error"];
    let mut table = Table::new(names.into_iter().chain(kinds.map(Column::number)));
    for CompensatedModule { module, shape, rank, plain, activation } in modules {
        let told = [Cell::text(module), Cell::text(units::shape(shape)), Cell::Count(*rank as u64)];
        let errors = [activation, plain].into_iter().flat_map(|norms| errors(norms.relative()));
        table.row(told.into_iter().chain(errors));
    }
    table
}

fn numbers(compensated: &Compensated) -> u64 {
    let low_rank = compensated.adapter.low_rank.values();
    low_rank.map(|low_rank| (low_rank.a.len() + low_rank.b.len()) as u64).sum()
}

fn errors(relative: Option<[f64; 2]>) -> [Cell; 2] {
    relative.map_or([Cell::Missing, Cell::Missing], |errors| errors.map(Cell::Percent))
}
