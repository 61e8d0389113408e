//! The report of a run.

use crate::{Metrics, Recipe, Result, search};
use indexmap::IndexMap;
use rankine_checkpoint::{Adapter, layer_and_role};
use rankine_linalg::{LowRank, effective_rank};
use rankine_method::diffora::Candidate;
use rankine_report::{Axis, Cell, Column, Heat, Lines, Page, Series, Style, Table};

/// Most singular values shown of one update.
const SHOWN: usize = 32;

/// What the report says of the data.
pub(crate) struct Described {
    /// What the loss is counted in.
    pub unit: &'static str,
    /// Names and values.
    pub facts: Vec<(&'static str, Cell)>,
}

pub(crate) fn page(
    recipe: &Recipe,
    data: &Described,
    candidates: &[Candidate],
    metrics: &Metrics,
    adapter: &Adapter,
) -> Result<Page> {
    let card = recipe.method.card();
    let mut page = Page::new(format!("{} on {}", card.name, recipe.model));
    page.lead(format!("{}. {}", card.summary, card.formula));
    curves(&mut page, metrics, data.unit);
    search::show(candidates, &mut page);
    spectra(&mut page, adapter)?;
    page.section("Data").facts(&data.facts);
    page.section("Recipe").code(recipe.to_toml()?);
    page.section("Versions").facts(&[
        ("rankine", Cell::text(env!("CARGO_PKG_VERSION"))),
        ("system", Cell::text(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH))),
    ]);
    Ok(page)
}

fn curves(page: &mut Page, metrics: &Metrics, unit: &str) {
    let loss = Lines::new("Loss", Axis::linear("step"), Axis::linear(unit))
        .series(Series::new("training", metrics.losses()))
        .series(Series::new("held out", metrics.evaluations()).style(Style::Marked))
        .smoothing(0.9);
    let rate = Lines::new("Learning rate", Axis::linear("step"), Axis::linear("learning rate"))
        .series(Series::new("learning rate", metrics.learning_rates()));
    let section = page.section("Course").plot(loss);
    let names = metrics.shares();
    if !names.is_empty() {
        let empty = Lines::new("Held-out data", Axis::linear("step"), Axis::linear("share, correlation"));
        let marked = |name: &str| Series::new(name, metrics.evaluations_of(name)).style(Style::Marked);
        section.plot(names.into_iter().map(marked).fold(empty, Lines::series));
    }
    section.plot(rate);
}

/// Singular values of every update ΔW = s·b·a: how many directions each weight used.
fn spectra(page: &mut Page, adapter: &Adapter) -> Result<()> {
    let mut table = Table::new([
        Column::text("weight"),
        Column::number("rank"),
        Column::number("‖ΔW‖"),
        Column::number("largest singular value"),
        Column::number("effective rank"),
    ])
    .caption("Updates, weight by weight; the effective rank is the exponential of the spectrum's entropy");
    let mut groups: IndexMap<String, (Vec<String>, Vec<Vec<f64>>)> = IndexMap::new();
    for (module, update) in &adapter.low_rank {
        let product = LowRank {
            b: &update.b,
            a: &update.a,
            rows: update.outputs,
            columns: update.inputs,
            rank: update.rank,
            scale: f64::from(update.scaling),
        };
        let s = product.singular_values()?;
        let norm = s.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>().sqrt();
        let largest = s.first().copied().map_or(0.0, f64::from);
        table.row([
            Cell::text(module.clone()),
            Cell::Count(update.rank as u64),
            Cell::number(norm, 3),
            Cell::number(largest, 3),
            Cell::fixed(effective_rank(&s), 1),
        ]);
        let (layer, role) = layer_and_role(module);
        let (layers, rows) = groups.entry(role.to_owned()).or_default();
        layers.push(layer.rsplit('.').next().unwrap_or(layer).to_owned());
        rows.push(s.iter().take(SHOWN).map(|&s| f64::from(s)).collect());
    }
    let section = page.section("Spectra of the update");
    for (group, (layers, mut rows)) in groups {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        rows.iter_mut().for_each(|row| row.resize(columns, f64::NAN));
        let title = format!("Singular values of the updates of {group}, layer by layer");
        let columns = (1..=columns).map(|index| index.to_string());
        section.plot(Heat::new(title, Axis::linear("singular value"), rows).names(layers, columns));
    }
    section.table(table);
    Ok(())
}
