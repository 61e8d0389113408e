//! What `convert` and `combine` share: how much to keep, where the result goes, what is said about it.

use crate::Context;
use rankine_checkpoint::{Existing, adapter::Origin};
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_surgery::{AdapterOutput, Conversion, Keep, Recompressed};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How much of every change is kept.
#[derive(clap::Args)]
pub struct KeepArgs {
    /// Highest rank; every module gets the same one
    #[arg(long, value_name = "N", conflicts_with = "energy", value_parser = positive)]
    rank: Option<usize>,
    /// Keep this share of the sum of squared singular values of every change, above 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    energy: Option<f64>,
}

impl KeepArgs {
    /// What was asked for, if anything.
    pub fn keep(&self) -> Option<Keep> {
        self.rank.map(Keep::Rank).or(self.energy.map(Keep::Energy))
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("should be a whole number of 1 or more".to_owned()),
        Ok(rank) => Ok(rank),
    }
}

/// Where the adapter goes.
#[derive(clap::Args)]
pub struct OutputArgs {
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// The output, which is none of the inputs.
    pub fn output(&self, inputs: Vec<PathBuf>) -> AdapterOutput<'_> {
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        AdapterOutput { target: &self.output, existing, inputs }
    }

    /// Tells what was made.
    pub fn show(&self, context: &Context, conversion: &Conversion) -> anyhow::Result<()> {
        match self.json {
            true => context.show_json(&Report::new(&self.output, conversion)),
            false => context.show(&page(&self.output, conversion)),
        }
    }
}

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    rank: usize,
    numbers: u64,
    relative_error: f64,
    modules: Vec<Module<'a>>,
    whole: Vec<&'a str>,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    rank_before: Option<usize>,
    rank: usize,
    norm: f64,
    relative_error: f64,
}

impl<'a> Report<'a> {
    fn new(output: &'a Path, conversion: &'a Conversion) -> Self {
        let module = |module: &'a Recompressed| Module {
            module: &module.module,
            rank_before: module.before,
            rank: module.rank,
            norm: module.norm,
            relative_error: module.relative,
        };
        Self {
            output,
            rank: conversion.adapter.config.rank,
            numbers: numbers(conversion),
            relative_error: conversion.relative,
            modules: conversion.modules.iter().map(module).collect(),
            whole: whole(conversion),
        }
    }
}

/// Modules that have no factors, because they were trained whole.
fn whole(conversion: &Conversion) -> Vec<&str> {
    let kept = conversion.adapter.replaced.iter().filter(|(_, found)| found.origin == Origin::Module);
    let mut modules: Vec<&str> =
        kept.map(|(name, _)| name.rsplit_once('.').map_or(name.as_str(), |(module, _)| module)).collect();
    modules.sort_unstable();
    modules.dedup();
    modules
}

fn numbers(conversion: &Conversion) -> u64 {
    conversion.adapter.low_rank.values().map(|low_rank| (low_rank.a.len() + low_rank.b.len()) as u64).sum()
}

fn page(output: &Path, conversion: &Conversion) -> Page {
    let mut page = Page::new(format!("Adapter {}", output.display()));
    if !conversion.modules.is_empty() {
        add_factors(&mut page, conversion);
    }
    let whole = whole(conversion);
    if !whole.is_empty() {
        let text = format!(
            "trained whole and kept whole, which peft loads as `modules_to_save`: {}",
            whole.join(", ")
        );
        page.note(Level::Note, text);
    }
    page
}

fn add_factors(page: &mut Page, conversion: &Conversion) {
    let ranks = conversion.modules.iter().map(|module| module.rank);
    let (least, most) = (ranks.clone().min().unwrap_or(0), ranks.max().unwrap_or(0));
    let rank = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let largest = conversion.modules.iter().map(|module| module.relative).fold(0.0, f64::max);
    page.facts(&[
        ("modules", Cell::Count(conversion.modules.len() as u64)),
        ("rank", Cell::text(rank)),
        ("numbers", Cell::Count(numbers(conversion))),
        ("relative error", Cell::text(error(conversion.relative))),
        ("largest of a module", Cell::text(error(largest))),
    ]);
    let columns = [Column::text("module"), Column::number("rank before"), Column::number("rank")];
    let rest = [Column::number("norm"), Column::number("relative error")];
    let mut table = Table::new(columns.into_iter().chain(rest));
    for module in &conversion.modules {
        table.row([
            Cell::text(&module.module),
            module.before.map_or(Cell::text("full"), |rank| Cell::Count(rank as u64)),
            Cell::Count(module.rank as u64),
            Cell::number(module.norm, 3),
            Cell::text(error(module.relative)),
        ]);
    }
    page.table(table);
}

/// What is no more than rounding of f32 is called so.
fn error(relative: f64) -> String {
    if relative < 2e-6 { "rounding only".to_owned() } else { format::percent(relative) }
}
