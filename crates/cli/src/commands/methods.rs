//! `rankine methods`: the registered ways of structuring a weight, and how much each would train of a model.

use crate::{Context, Exit, model, settings::settings};
use anyhow::{Context as _, Result};
use rankine_method::{
    Card, Choice,
    diffora::{Diffora, Select},
};
use rankine_nn::Kind;
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_run::{Count, Group, Modules, TargetSection};
use serde::Serialize;

/// List the methods of fine-tuning, or show one and what it would train of a model
///
/// With a model its weights are read and counted as training would take them over; nothing is attached or written. Methods
/// that give ranks by data (EVA) are counted with the same rank everywhere; those that choose ranks by the weights are asked,
/// which may cost a decomposition of each.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Methods {
    /// Show this one
    name: Option<String>,
    /// Count what it would train of this model: known name, hub repository, directory or .gguf file
    #[arg(long, requires = "name")]
    model: Option<String>,
    /// Modules to take over: `all-linear`, which is meant without it, or names with commas between
    #[arg(long, value_name = "NAMES", requires = "model")]
    target: Option<String>,
    /// Rank of the update
    #[arg(long, value_name = "N", requires = "model")]
    rank: Option<usize>,
    /// Give matrices that cannot have the rank the most they can have
    #[arg(long, requires = "model")]
    cap_rank: bool,
    /// Any setting of the method, for example `energy=0.9`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "model")]
    changes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine methods
  rankine methods pissa            its formula, its paper and its settings as a recipe has them
  rankine methods lora --model smollm2-135m --rank 16 --target q_proj,v_proj
  rankine methods loldu --model smollm2-135m --rank 576 --cap-rank
  rankine methods svfit --model smollm2-135m --set energy=0.9 --json";

/// A method with its settings.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    card: Card,
    defaults: Choice,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Counted>,
}

/// What it would train of a model.
#[derive(Serialize)]
struct Counted {
    model: String,
    settings: Choice,
    #[serde(flatten)]
    count: Count,
    share: f64,
    adapter_bytes: Option<usize>,
}

/// The table of a recipe.
#[derive(Serialize)]
struct Section<'a> {
    method: &'a Choice,
}

impl Methods {
    /// Shows them.
    pub fn run(self, context: &Context) -> Result<Exit> {
        let describe = |defaults: Choice, count| Described { card: defaults.card(), defaults, count };
        match (&self.name, self.json) {
            (Some(name), json) => {
                let (defaults, count) = (Choice::named(name)?, self.count(context, name)?);
                match json {
                    true => context.show_json(&describe(defaults, count))?,
                    false => context.show(&one(&defaults, count.as_ref())?)?,
                }
            }
            (None, true) => {
                let all: Vec<Described> =
                    Choice::all().into_iter().map(|choice| describe(choice, None)).collect();
                context.show_json(&all)?;
            }
            (None, false) => context.show(&all())?,
        }
        Ok(Exit::Done)
    }

    /// What it would train of the model that was named, with the settings that were given.
    fn count(&self, context: &Context, name: &str) -> Result<Option<Counted>> {
        let Some(model) = self.model.clone() else { return Ok(None) };
        let settings = Choice::named(name)?.with(&settings(&self.changes, self.rank, None)?)?;
        let modules = Modules::named(self.target.as_deref().unwrap_or("all-linear"));
        let targets = TargetSection { modules, cap_rank: self.cap_rank, ..TargetSection::default() };
        let path = model::find(context, &model)?;
        let count = rankine_run::count(&path, &settings, &targets)
            .with_context(|| format!("while counting what `{name}` trains of `{model}`"))?;
        let share = count.trained as f64 / count.numbers.max(1) as f64;
        let adapter_bytes = count.written.map(|numbers| numbers * size_of::<f32>());
        Ok(Some(Counted { model, settings, count, share, adapter_bytes }))
    }
}

fn all() -> Page {
    let columns = ["method", "what it does", "exact at the start", "paper"].map(Column::text);
    let mut table = Table::new(columns);
    for card in Choice::all().iter().map(Choice::card) {
        let exact = if card.exact { "yes" } else { "no" };
        table.row([card.name, card.summary, exact, card.paper].map(Cell::text));
    }
    let mut page = Page::new("Methods");
    page.table(table);
    page
}

fn one(defaults: &Choice, counted: Option<&Counted>) -> Result<Page> {
    let settings = counted.map_or(defaults, |counted| &counted.settings);
    let card = settings.card();
    let mut page = Page::new(card.name);
    page.lead(card.summary);
    page.facts(&[
        ("exact at the start", Cell::text(if card.exact { "yes" } else { "no" })),
        ("takes over", Cell::text(taken(settings))),
        ("trained", Cell::text(card.trains.join(", "))),
        ("written as", Cell::text(card.export.words())),
        ("paper", Cell::text(card.paper)),
    ]);
    page.section("Formula").code(card.formula);
    page.section("Settings").code(toml::to_string(&Section { method: settings })?);
    if let Some(counted) = counted {
        show_count(&mut page, counted);
    }
    Ok(page)
}

/// What it takes over.
fn taken(method: &Choice) -> String {
    let kinds = [
        (Kind::Linear, "linear maps"),
        (Kind::Head, "heads"),
        (Kind::Convolution, "convolutions"),
        (Kind::Bias, "biases"),
    ];
    let taken = kinds.into_iter().filter(|(kind, _)| method.method().takes(*kind));
    taken.map(|(_, words)| words).collect::<Vec<_>>().join(", ")
}

fn show_count(page: &mut Page, Counted { model, settings, count, share, adapter_bytes }: &Counted) {
    let mut table = Table::new([
        Column::text("module"),
        Column::text("shape"),
        Column::number("weights"),
        Column::number("rank"),
        Column::number("numbers trained"),
    ]);
    for Group { role, shape, weights, ranks: [low, high], trained } in &count.groups {
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        table.row([
            Cell::text(role),
            Cell::text(sides.join(" × ")),
            Cell::Count(*weights as u64),
            if low == high { Cell::Count(*low as u64) } else { Cell::text(format!("{low}–{high}")) },
            Cell::Count(*trained as u64),
        ]);
    }
    let bytes = adapter_bytes.map_or(Cell::Missing, |bytes| Cell::Bytes(bytes as u64));
    page.section(format!("Of {model}")).facts(&[
        ("weights taken over", Cell::Count(count.weights as u64)),
        ("numbers trained", Cell::Count(count.trained as u64)),
        ("of the model's", Cell::Count(count.numbers as u64)),
        ("share", Cell::Percent(*share)),
        ("adapter in f32", bytes),
    ]);
    page.table(table);
    if let Some(cut) = &count.capped {
        page.note(Level::Note, cut.words());
    }
    if !count.whole.is_empty() {
        let text = format!(
            "trained and written whole beside these, and not counted: `{}`",
            count.whole.join("`, `")
        );
        page.note(Level::Note, text);
    }
    if let Choice::Diffora(search) = settings {
        page.note(Level::Note, searched(search));
    }
    if count.averages {
        let text =
            "ranks are averages: training gives them by its data, more to some weights and fewer to others";
        page.note(Level::Note, text);
    }
}

/// What becomes of the numbers of a search.
fn searched(search: &Diffora) -> String {
    let share = format::percent(f64::from(search.ratio));
    let of = match search.select {
        Select::PerLayer => "the modules of every layer are",
        Select::Global => "the modules are",
        Select::Budget => "these numbers, by whole modules, are",
    };
    format!("this is what the search trains: {share} of {of} picked by it, and the adapter has no others")
}
