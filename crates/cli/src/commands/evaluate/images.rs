//! How well a classifier tells images apart, as of texts (`classes.rs`).

use super::{Evaluate, classes};
use crate::{Context, Exit, bar};
use anyhow::Context as _;
use rankine_checkpoint::ImageCheckpoint;
use rankine_data::{
    Batches, Batching,
    images::{ImageSummary, LabelledImage},
};
use rankine_report::{Cell, Page};
use rankine_train::{ClassScore, ClassifyImages, Measured as _, Task as _};
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
    summary: &'a ImageSummary,
    examples: Vec<Scored<'a>>,
}

/// One image.
#[derive(Serialize)]
struct Scored<'a> {
    /// Its number: classes by name, and in each the files by name; or its place in the IDX file.
    image: usize,
    label: &'a str,
    guess: &'a str,
    nll: f64,
}

/// Measures an image classifier.
pub(super) fn run(command: &Evaluate, context: &Context, model: ImageCheckpoint) -> anyhow::Result<Exit> {
    let (adapter, storage) = (command.model.adapter.as_deref(), command.model.weights);
    let loaded = rankine_run::load_images(model, adapter, storage)
        .with_context(|| format!("while loading `{}`", command.model.model))?;
    loaded.warnings.iter().for_each(|warning| context.say(warning));
    let images = loaded.read(&command.data)?;
    let (names, summary) = (images.classes.clone(), images.summary(&command.data));
    let batches = Batches::new(images.samples(), Batching::Examples(command.batch_size), 0)?;
    let bar = bar::counting(context, "evaluating", batches.examples().len() as u64);
    let mut watch = |done: usize| bar.set(done as u64);
    let task = ClassifyImages::default();
    let score = task.score(loaded.model.as_ref(), &mut batches.sequential(), &mut watch);
    drop(bar);
    let score = score.with_context(|| format!("while evaluating `{}`", command.data.display()))?;
    match command.json {
        true => context.show_json(&measured(command, batches.examples(), (&names, &score), &summary))?,
        false => context.show(&page(command, &names, &score))?,
    }
    Ok(Exit::Done)
}

fn measured<'a>(
    command: &'a Evaluate,
    images: &[LabelledImage],
    (names, score): (&'a [String], &ClassScore),
    summary: &'a ImageSummary,
) -> Measured<'a> {
    let name = |class: u32| names.get(class as usize).map_or("", String::as_str);
    let scored = images.iter().zip(&score.examples).map(|(image, scored)| Scored {
        image: image.row(),
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
        classes: names,
        confusion: classes::confusion(score),
        summary,
        examples: scored.collect(),
    }
}

fn page(command: &Evaluate, names: &[String], score: &ClassScore) -> Page {
    let mut facts = classes::facts(score);
    facts.push(("images", Cell::Count(score.examples.len() as u64)));
    let mut page = Page::new(format!("{} on {}", command.model.model, command.data.display()));
    page.facts(&facts);
    page.table(classes::table(names, score));
    page
}
