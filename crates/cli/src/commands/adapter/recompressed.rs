//! What `convert` and `combine` share: how much to keep, and what is said about the result.

use crate::Context;
use crate::disk::Room;
use crate::output::OutputArgs;
use crate::units;
use rankine_checkpoint::adapter::Origin;
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_surgery::{Conversion, Keep, Recompressed};
use serde::Serialize;
use std::path::Path;

/// A relative difference that is no more than rounding of f32.
pub const ROUNDING: f64 = 2e-6;

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

impl OutputArgs {
    /// Tells what was made.
    pub fn show(&self, context: &Context, conversion: &Conversion, room: Room) -> anyhow::Result<()> {
        self.show_beside(context, (conversion, room), None)
    }

    /// The same of a combination, and what peft would make instead.
    pub fn show_beside(
        &self,
        context: &Context,
        (conversion, room): (&Conversion, Room),
        peft: Option<&InPeft>,
    ) -> anyhow::Result<()> {
        match self.writing.json {
            true => context.show_json(&Report { in_peft: peft, ..self.report(conversion, room) }),
            false => {
                let mut page = self.page(conversion, room);
                if let Some(peft) = peft {
                    page.note(Level::Note, &peft.note);
                }
                context.show(&page)
            }
        }
    }
}

/// Peft's combination of the same name, where it is another one.
#[derive(Serialize)]
pub struct InPeft {
    /// How far its change is from the one made here, relative to that, where it is known.
    pub difference: Option<f64>,
    /// What it is.
    pub note: String,
}

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    dry_run: bool,
    rank: usize,
    numbers: u64,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
    relative_error: f64,
    modules: Vec<Module<'a>>,
    whole: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_peft: Option<&'a InPeft>,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    rank_before: Option<usize>,
    rank: usize,
    norm: f64,
    relative_error: f64,
}

impl OutputArgs {
    fn report<'a>(&'a self, conversion: &'a Conversion, room: Room) -> Report<'a> {
        let module = |module: &'a Recompressed| Module {
            module: &module.module,
            rank_before: module.before,
            rank: module.rank,
            norm: module.norm,
            relative_error: module.relative,
        };
        Report {
            output: &self.output,
            dry_run: self.writing.dry_run,
            rank: conversion.adapter.config.rank,
            numbers: numbers(conversion),
            bytes: conversion.adapter.bytes(),
            room,
            relative_error: conversion.relative,
            modules: conversion.modules.iter().map(module).collect(),
            whole: whole(conversion),
            in_peft: None,
        }
    }

    fn page(&self, conversion: &Conversion, room: Room) -> Page {
        let title = if self.writing.dry_run { "Would write adapter" } else { "Adapter" };
        let mut page = Page::new(format!("{title} {}", self.output.display()));
        page.facts(&[("size", Cell::Bytes(conversion.adapter.bytes())), room.fact()]);
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

fn add_factors(page: &mut Page, conversion: &Conversion) {
    let largest = conversion.modules.iter().map(|module| module.relative).fold(0.0, f64::max);
    page.facts(&[
        ("modules", Cell::Count(conversion.modules.len() as u64)),
        ("rank", Cell::text(units::range(conversion.modules.iter().map(|module| module.rank)))),
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

/// What is no more than rounding is called so.
fn error(relative: f64) -> String {
    if relative < ROUNDING { "rounding only".to_owned() } else { format::percent(relative) }
}
