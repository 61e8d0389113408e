//! How well a classifier tells images apart, as of texts (`classes.rs`).

use super::{
    Evaluate,
    classes::{Guesses, Place},
};
use crate::{Context, Exit, model, quality};
use anyhow::Context as _;
use rankine_checkpoint::ImageCheckpoint;
use rankine_data::{Batches, Batching};
use rankine_report::Cell;
use rankine_train::ClassifyImages;

/// Measures an image classifier.
pub(super) fn run(command: &Evaluate, context: &Context, network: ImageCheckpoint) -> anyhow::Result<Exit> {
    let (adapter, storage) = (command.model.adapter.as_deref(), command.model.weights);
    model::warn_of_base(context, (&command.model.model, network.path()), adapter);
    let loaded = rankine_run::load_images(network, adapter, storage)
        .with_context(|| format!("while loading `{}`", command.model.model))?;
    loaded.warnings.iter().for_each(|warning| context.say(warning));
    let images = loaded.read(&command.data)?;
    let (names, summary) = (images.classes.clone(), images.summary(&command.data));
    let batches = Batches::new(images.samples(), Batching::Examples(command.batch_size), 0)?;
    let task = ClassifyImages::default();
    let score = quality::score(context, &command.data, (&task, loaded.model.as_ref()), &batches)?;
    let guesses = Guesses {
        classes: &names,
        score: &score,
        summary: &summary,
        places: batches.examples().iter().map(|image| Place::Image(image.row())).collect(),
        counts: vec![("images", Cell::Count(score.examples.len() as u64))],
    };
    guesses.show(command, context)
}
