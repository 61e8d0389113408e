//! Matching units, for the commands that align models: its options, and what it found.

use crate::errors::Failure;
use crate::stages::Stages;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rankine_report::{Cell, Column, Table};
use rankine_run::Examiner;
use rankine_surgery::{Aligned, Alignment, MidpointLosses, Progress, StraightThrough, Subject, UnitKind};
use serde::Serialize;

// The help of a command is its own: a comment of documentation on this would stand in its place.
#[derive(clap::Args)]
pub struct AlignmentArgs {
    /// How it is found which units go together
    #[arg(long, value_name = "WORD", default_value = "weights")]
    method: Method,
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
    /// For `straight-through`: learning rate; 0.01 when nothing is said
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f32>,
}

/// Ways to find which units go together.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// The nearest weights; no data are read, and weights without a configuration will do
    Weights,
    /// The most alike activations on `--data`, for which models need their configuration
    Activations,
    /// The least loss on `--data` half-way between the two, by training from the nearest weights on; likewise
    StraightThrough,
}

fn kinds() -> impl TypedValueParser<Value = UnitKind> {
    PossibleValuesParser::new(UnitKind::ALL.map(UnitKind::word))
        .map(|found| UnitKind::ALL.into_iter().find(|kind| kind.word() == found).unwrap_or(UnitKind::Hidden))
}

impl AlignmentArgs {
    /// The way, with its settings; those of others are errors. `steps` are those of `straight-through`.
    ///
    /// # Errors
    /// When the method has no such settings.
    pub fn matcher(&self, steps: Option<u32>) -> anyhow::Result<Matcher> {
        let &Self { method, learning_rate, .. } = self;
        if method != Method::StraightThrough && (steps.is_some() || learning_rate.is_some()) {
            let message = format!("`{}` takes no steps and no learning rate", method.word());
            return Err(Failure::with_hint(message, "name `--method straight-through`").into());
        }
        let usual = StraightThrough::default();
        let steps = steps.map_or(usual.steps, |steps| steps as usize);
        let learning_rate = learning_rate.unwrap_or(usual.learning_rate);
        let search = StraightThrough { steps, learning_rate, ..usual };
        let kinds = self.groups.clone();
        let alignment = Alignment { kinds, sweeps: self.sweeps, starts: self.starts, seed: self.seed };
        Ok(Matcher { method, search, alignment })
    }
}

impl Method {
    /// Its word.
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Finds which units go together.
pub struct Matcher {
    method: Method,
    search: StraightThrough,
    alignment: Alignment,
}

impl Matcher {
    /// An error where there are data to read and none are read, or the other way round.
    pub fn check(&self, has_data: bool) -> anyhow::Result<()> {
        let (word, reads) = (self.method.word(), self.method != Method::Weights);
        let (message, hint) = match (reads, has_data) {
            (true, false) => (
                format!("`{word}` needs data to run the models on"),
                "give some of what they were trained on with `--data`; `--method weights` needs none",
            ),
            (false, true) => (
                format!("`{word}` reads no data"),
                "leave out `--data`, or name `--method activations` or `straight-through`",
            ),
            _ => return Ok(()),
        };
        Err(Failure::with_hint(message, hint).into())
    }

    /// Which units of the second go with those of the first; `examiner` has the data, where the method reads any.
    pub fn find(
        &self,
        (first, second): (Subject<'_>, Subject<'_>),
        examiner: Option<&Examiner>,
        stages: &mut Stages<'_>,
    ) -> anyhow::Result<Found> {
        let watch = &mut |progress: Progress| stages.see(progress);
        let (alignment, models) = (&self.alignment, (first, second));
        let (aligned, midpoint) = match (self.method, examiner) {
            (Method::Activations, Some(examiner)) => {
                (examiner.match_activations(alignment, models, watch)?, None)
            }
            (Method::StraightThrough, Some(examiner)) => {
                let found = examiner.straight_through(&self.search, alignment, models, watch)?;
                (found.aligned, Some(found.losses))
            }
            _ => (alignment.find(first, second, watch)?, None),
        };
        Ok(Found { method: self.method, aligned, midpoint })
    }
}

/// What was found.
pub struct Found {
    method: Method,
    /// The order of the second model's units.
    pub aligned: Aligned,
    /// Of `straight-through`.
    midpoint: Option<MidpointLosses>,
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

/// Losses half-way between the two in JSON.
#[derive(Serialize)]
struct Midpoint {
    naive: f64,
    /// After weight matching, where the search begins.
    weights: f64,
    best: f64,
    step: usize,
}

/// What matching found, in JSON.
#[derive(Serialize)]
pub struct Matching<'a> {
    method: Method,
    sweeps: usize,
    distance_before: Option<f64>,
    distance_after: Option<f64>,
    midpoint: Option<Midpoint>,
    groups: Vec<MatchedGroup<'a>>,
    /// Tensors that keep the residual stream in its place, as nobody knows what they do with it.
    unknown: &'a [String],
}

impl<'a> Matching<'a> {
    pub fn of(Found { method, aligned, midpoint: losses }: &'a Found) -> Self {
        let group = |found: &'a rankine_surgery::AlignedGroup| MatchedGroup {
            name: &found.group.name,
            kind: found.group.kind.word(),
            units: found.group.units,
            moved: found.moved,
            objective_before: found.before.inner,
            objective_after: found.after.inner,
        };
        let midpoint = |losses: MidpointLosses| {
            let MidpointLosses { naive, start, best, step } = losses;
            Midpoint { naive, weights: start, best, step }
        };
        Self {
            method: *method,
            sweeps: aligned.sweeps,
            distance_before: aligned.before.distance(),
            distance_after: aligned.after.distance(),
            midpoint: losses.map(midpoint),
            groups: aligned.groups.iter().map(group).collect(),
            unknown: aligned.spec.strangers(),
        }
    }
}

/// How far the two models are apart, before and after.
pub fn facts(Found { method, aligned, midpoint }: &Found) -> Vec<(&'static str, Cell)> {
    let distance = |distance: Option<f64>| distance.map_or(Cell::Missing, |value| Cell::number(value, 4));
    let mut facts = vec![
        ("matched by", Cell::text(method.word())),
        ("distance before", distance(aligned.before.distance())),
        ("distance after", distance(aligned.after.distance())),
    ];
    if *method != Method::Activations {
        facts.push(("sweeps", Cell::Count(aligned.sweeps as u64)));
    }
    if let Some(MidpointLosses { naive, start, best, step }) = *midpoint {
        facts.push(("loss half-way, as they are", Cell::fixed(naive, 4)));
        facts.push(("loss half-way, by weights", Cell::fixed(start, 4)));
        facts.push(("loss half-way, found", Cell::fixed(best, 4)));
        facts.push(("found at step", Cell::Count(step as u64)));
    }
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
