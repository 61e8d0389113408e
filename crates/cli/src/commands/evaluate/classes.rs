//! How well a classifier tells texts apart: accuracy, F1, Matthews' correlation, and what was taken for what.

use super::Evaluate;
use crate::{Context, Exit, bar, model};
use anyhow::Context as _;
use rankine_data::{
    Batches, Batching, LabelColumns, LabelSummary, LabelledExample, LabelledTexts, encode_labelled,
};
use rankine_report::{Cell, Column, Page, Table};
use rankine_run::LoadedClassifier;
use rankine_train::{ClassScore, Classify, Measured as _, Task as _};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What was measured, on what.
#[derive(Serialize)]
struct Measured<'a> {
    model: &'a str,
    adapter: Option<&'a Path>,
    data: &'a Path,
    nll: f64,
    #[serde(flatten)]
    metrics: BTreeMap<&'static str, f64>,
    classes: &'a [String],
    /// How often the class of the row was taken for that of the column.
    confusion: Vec<Vec<usize>>,
    summary: &'a LabelSummary,
    examples: Vec<Scored<'a>>,
}

/// One example.
#[derive(Serialize)]
struct Scored<'a> {
    /// Where it begins in the file.
    line: usize,
    label: &'a str,
    guess: &'a str,
    nll: f64,
}

/// Measures a classifier.
pub(super) fn run(command: &Evaluate, context: &Context) -> anyhow::Result<Exit> {
    let usual = LabelColumns::default();
    let columns = LabelColumns {
        text: command.text_column.clone().unwrap_or(usual.text),
        second: command.second_column.clone(),
        label: command.label_column.clone().unwrap_or(usual.label),
    };
    // The data are read first: a fault in them is found before a large model is loaded.
    let texts = LabelledTexts::read(&command.data, &columns)?;
    let path = model::find(context, &command.model.model)?;
    let (adapter, storage) = (command.model.adapter.as_deref(), command.model.weights);
    let loaded = rankine_run::load_classifier(&path, adapter, storage)
        .with_context(|| format!("while loading `{}`", command.model.model))?;
    loaded.warnings.iter().for_each(|warning| context.say(warning));
    let max_length = command.max_length.min(loaded.model.context());
    let (examples, summary) = encode_labelled(&texts, &loaded.tokenizer, &loaded.classes, max_length)?;
    let batches = Batches::new(examples, Batching::Examples(command.batch_size), 0)?;
    let bar = bar::counting(context, "evaluating", batches.examples().len() as u64);
    let mut watch = |done: usize| bar.set(done as u64);
    let score = Classify.score(loaded.model.as_ref(), &mut batches.sequential(), &mut watch);
    drop(bar);
    let score = score.with_context(|| format!("while evaluating `{}`", command.data.display()))?;
    match command.json {
        true => context.show_json(&measured(command, batches.examples(), (&loaded, &score), &summary))?,
        false => context.show(&page(command, &loaded.classes, &score, &summary))?,
    }
    Ok(Exit::Done)
}

fn measured<'a>(
    command: &'a Evaluate,
    examples: &[LabelledExample],
    (loaded, score): (&'a LoadedClassifier, &ClassScore),
    summary: &'a LabelSummary,
) -> Measured<'a> {
    let name = |class: u32| loaded.classes.get(class as usize).map_or("", String::as_str);
    let scored = examples.iter().zip(&score.examples).map(|(example, scored)| Scored {
        line: example.source,
        label: name(scored.label),
        guess: name(scored.guess),
        nll: scored.nll,
    });
    Measured {
        model: &command.model.model,
        adapter: command.model.adapter.as_deref(),
        data: &command.data,
        nll: score.nll,
        metrics: score.metrics().into_iter().collect(),
        classes: &loaded.classes,
        confusion: confusion(score),
        summary,
        examples: scored.collect(),
    }
}

pub(super) fn confusion(score: &ClassScore) -> Vec<Vec<usize>> {
    let classes = score.confusion.classes();
    let row = |label| (0..classes).map(|guess| score.confusion.count(label, guess)).collect();
    (0..classes).map(row).collect()
}

fn page(command: &Evaluate, classes: &[String], score: &ClassScore, summary: &LabelSummary) -> Page {
    let mut facts = facts(score);
    facts.push(("examples", Cell::Count(score.examples.len() as u64)));
    facts.push(("cut at the end", Cell::Count(summary.truncated as u64)));
    let mut page = Page::new(format!("{} on {}", command.model.model, command.data.display()));
    page.facts(&facts);
    page.table(table(classes, score));
    page
}

/// Loss and metrics.
pub(super) fn facts(score: &ClassScore) -> Vec<(&'static str, Cell)> {
    let fact = |(name, value)| match name {
        "accuracy" => ("accuracy", Cell::Percent(value)),
        "f1" => ("F1 of the second class", Cell::fixed(value, 4)),
        "macro_f1" => ("mean F1 of the classes", Cell::fixed(value, 4)),
        "matthews" => ("Matthews' correlation", Cell::fixed(value, 4)),
        other => (other, Cell::fixed(value, 4)),
    };
    std::iter::once(("NLL", Cell::fixed(score.nll, 4))).chain(score.metrics().into_iter().map(fact)).collect()
}

/// What was taken for what.
pub(super) fn table(classes: &[String], score: &ClassScore) -> Table {
    let mut table = Table::new(
        [Column::text("class")].into_iter().chain(classes.iter().map(|name| Column::number(name.as_str()))),
    )
    .caption("How often the class of a row was taken for that of a column");
    for (name, row) in classes.iter().zip(confusion(score)) {
        let counts = row.into_iter().map(|count| Cell::Count(count as u64));
        table.row([Cell::text(name)].into_iter().chain(counts));
    }
    table
}
