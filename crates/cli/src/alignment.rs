//! Weight matching, for the commands that align models: its options, and what it found.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rankine_report::{Cell, Column, Table};
use rankine_surgery::{Aligned, Alignment, UnitKind};
use serde::Serialize;

// The help of a command is its own: a comment of documentation on this would stand in its place.
#[derive(clap::Args)]
pub struct AlignmentArgs {
    /// What may change places, with commas between: hidden units, attention heads, the residual stream
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_values = UnitKind::ALL.map(UnitKind::word), value_parser = kinds())]
    groups: Vec<UnitKind>,
    /// Turns of every group of units at most
    #[arg(long, value_name = "N", default_value_t = Alignment::default().sweeps)]
    sweeps: usize,
    /// Try so many orders of the groups, and take the nearest
    #[arg(long, value_name = "N", default_value_t = Alignment::default().starts)]
    starts: usize,
    /// Seed of the orders
    #[arg(long, value_name = "N", default_value_t = Alignment::default().seed)]
    seed: u64,
}

fn kinds() -> impl TypedValueParser<Value = UnitKind> {
    PossibleValuesParser::new(UnitKind::ALL.map(UnitKind::word))
        .map(|found| UnitKind::ALL.into_iter().find(|kind| kind.word() == found).unwrap_or(UnitKind::Hidden))
}

impl AlignmentArgs {
    /// The same for the library.
    pub fn alignment(&self) -> Alignment {
        Alignment { kinds: self.groups.clone(), sweeps: self.sweeps, starts: self.starts, seed: self.seed }
    }
}

/// A group in JSON.
#[derive(Serialize)]
pub struct MatchedGroup<'a> {
    name: &'a str,
    kind: &'static str,
    units: usize,
    moved: usize,
    objective_before: f64,
    objective_after: f64,
}

/// What weight matching found, in JSON.
#[derive(Serialize)]
pub struct Matching<'a> {
    sweeps: usize,
    distance_before: Option<f64>,
    distance_after: Option<f64>,
    groups: Vec<MatchedGroup<'a>>,
    /// Tensors that keep the residual stream in its place, as nobody knows what they do with it.
    unknown: &'a [String],
}

impl<'a> Matching<'a> {
    pub fn of(aligned: &'a Aligned) -> Self {
        let group = |found: &'a rankine_surgery::AlignedGroup| MatchedGroup {
            name: &found.group.name,
            kind: found.group.kind.word(),
            units: found.group.units,
            moved: found.moved,
            objective_before: found.before.inner,
            objective_after: found.after.inner,
        };
        Self {
            sweeps: aligned.sweeps,
            distance_before: aligned.before.distance(),
            distance_after: aligned.after.distance(),
            groups: aligned.groups.iter().map(group).collect(),
            unknown: aligned.spec.strangers(),
        }
    }
}

/// How far the two models are apart, before and after.
pub fn facts(aligned: &Aligned) -> Vec<(&'static str, Cell)> {
    let distance = |distance: Option<f64>| distance.map_or(Cell::Missing, |value| Cell::number(value, 4));
    let mut facts = vec![
        ("distance before", distance(aligned.before.distance())),
        ("distance after", distance(aligned.after.distance())),
        ("sweeps", Cell::Count(aligned.sweeps as u64)),
    ];
    if let [first, rest @ ..] = aligned.spec.strangers() {
        let words = match rest.len() {
            0 => format!("left in its place: `{first}` is not known"),
            more => format!("left in its place: `{first}` and {more} more tensors are not known"),
        };
        facts.push(("residual stream", Cell::text(words)));
    }
    facts
}

/// Every group.
pub fn table(aligned: &Aligned) -> Table {
    let names = [Column::text("group"), Column::text("kind")];
    let numbers = ["units", "moved", "objective before", "objective after"].map(Column::number);
    let mut table = Table::new(names.into_iter().chain(numbers))
        .caption("Inner products of the tensors with these units, of the first model and of the second");
    for found in &aligned.groups {
        table.row([
            Cell::text(&found.group.name),
            Cell::text(found.group.kind.word()),
            Cell::Count(found.group.units as u64),
            Cell::Count(found.moved as u64),
            Cell::number(found.before.inner, 5),
            Cell::number(found.after.inner, 5),
        ]);
    }
    table
}
