//! How well a model predicts some data, for every command that measures one.

use crate::errors::Failure;
use crate::{Context, bar};
use anyhow::Context as _;
use rankine_checkpoint::ImageCheckpoint;
use rankine_data::{
    Batches, Batching, Dataset, Encoding, LabelColumns, LabelledTexts, encode, encode_labelled,
};
use rankine_nn::models::Storage;
use rankine_report::{Cell, Column, Table};
use rankine_train::{Classify, ClassifyImages, Measured as _, NextToken, Task};
use serde::Serialize;
use std::path::Path;

/// Longest example in tokens, where nothing is said.
pub const LENGTH: usize = 1024;

/// Examples at a time, where nothing is said.
pub const BATCH: usize = 8;

/// What `rankine evaluate` measures, in two numbers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quality {
    /// Mean −ln p, of tokens or of classes.
    pub nll: f64,
    /// Share of them that the model would have said itself.
    pub accuracy: f64,
}

/// That of the model at `model`, of any kind, with an adapter or without: on texts, labelled texts or images of the usual
/// columns.
pub fn quality(
    context: &Context,
    model: &Path,
    adapter: Option<&Path>,
    data: &Path,
) -> anyhow::Result<Quality> {
    let loading = || format!("while loading `{}`", model.display());
    if let Some(images) = ImageCheckpoint::open(model)? {
        let loaded = rankine_run::load_images(images, adapter, Storage::File).with_context(loading)?;
        let images = loaded.read(data)?.samples();
        return of(context, data, (&ClassifyImages::default(), loaded.model.as_ref()), images);
    }
    if rankine_run::is_classifier(model, adapter)? {
        let texts = LabelledTexts::read(data, &LabelColumns::default())?;
        let loaded = rankine_run::load_classifier(model, adapter, Storage::File).with_context(loading)?;
        let length = LENGTH.min(loaded.model.context());
        let (examples, _) = encode_labelled(&texts, &loaded.tokenizer, &loaded.classes, length)?;
        return of(context, data, (&Classify, loaded.model.as_ref()), examples);
    }
    let dataset = Dataset::read(data, None, None)?;
    let loaded = rankine_run::load(model, adapter, Storage::File).with_context(loading)?;
    let limit = Some(loaded.model.context());
    let encoding = Encoding { max_length: LENGTH, context: limit, ..Encoding::default() };
    let (examples, _) = encode(&dataset, &loaded.tokenizer, &encoding)?;
    of(context, data, (&NextToken, loaded.model.as_ref()), examples)
}

fn of<T: Task>(
    context: &Context,
    data: &Path,
    model: (&T, &T::Model),
    examples: Vec<T::Sample>,
) -> anyhow::Result<Quality> {
    let batches = Batches::new(examples, Batching::Examples(BATCH), 0)?;
    let score = score(context, data, model, &batches)?;
    let accuracy = score.metrics().into_iter().find(|(name, _)| *name == "accuracy");
    Ok(Quality { nll: score.nll(), accuracy: accuracy.map_or(f64::NAN, |(_, value)| value) })
}

/// Scores all examples, and shows how many are done.
pub fn score<T: Task>(
    context: &Context,
    data: &Path,
    (task, model): (&T, &T::Model),
    batches: &Batches<T::Sample>,
) -> anyhow::Result<T::Score> {
    let bar = bar::counting(context, "evaluating", batches.examples().len() as u64);
    let score = task.score(model, &mut batches.sequential(), &mut |done| bar.set(done as u64));
    drop(bar);
    let evaluating = || format!("while evaluating `{}`", data.display());
    let score = score.with_context(evaluating)?;
    if !score.nll().is_finite() {
        let hint =
            "its weights are damaged or hold numbers that are not finite: fetch or save the model again";
        let failure = Failure::with_hint("the model gives no finite loss on these data", hint);
        return Err(failure).with_context(evaluating);
    }
    Ok(score)
}

/// Several models side by side.
pub fn table(data: &Path, models: &[(&str, Quality)]) -> Table {
    let columns = [Column::text("model"), Column::number("NLL"), Column::number("accuracy")];
    let mut table = Table::new(columns).caption(format!("On {}", data.display()));
    for (name, Quality { nll, accuracy }) in models {
        table.row([Cell::text(*name), Cell::fixed(*nll, 4), Cell::Percent(*accuracy)]);
    }
    table
}
