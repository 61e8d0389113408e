//! `rankine methods`: the registered ways of structuring a weight.

use crate::{Context, Exit};
use rankine_method::{Card, Choice};
use rankine_report::{Cell, Column, Page, Table};
use serde::Serialize;

/// List the methods of fine-tuning, or show one with its settings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Methods {
    /// Show this one
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine methods
  rankine methods pissa            its formula, its paper and its settings as a recipe has them";

/// A method with its settings.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    card: Card,
    defaults: Choice,
}

/// The table of a recipe.
#[derive(Serialize)]
struct Section<'a> {
    method: &'a Choice,
}

impl Methods {
    /// Shows them.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let describe = |choice: Choice| Described { card: choice.card(), defaults: choice };
        match (self.name, self.json) {
            (Some(name), true) => context.show_json(&describe(Choice::named(&name)?))?,
            (None, true) => {
                let all: Vec<Described> = Choice::all().into_iter().map(describe).collect();
                context.show_json(&all)?;
            }
            (Some(name), false) => context.show(&one(&Choice::named(&name)?)?)?,
            (None, false) => context.show(&all())?,
        }
        Ok(Exit::Done)
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

fn one(choice: &Choice) -> anyhow::Result<Page> {
    let card = choice.card();
    let mut page = Page::new(card.name);
    page.lead(card.summary);
    page.facts(
        &[("exact at the start", if card.exact { "yes" } else { "no" }), ("paper", card.paper)]
            .map(|(label, value)| (label, Cell::text(value))),
    );
    page.section("Formula").code(card.formula);
    page.section("Settings").code(toml::to_string(&Section { method: choice })?);
    Ok(page)
}
