//! The data of a language model's run.

use crate::{
    DataSection, Recipe, Result,
    loading::tokenizer,
    page::Described,
    run::{Job, Notice, Watch, batched, checksum},
};
use rankine_checkpoint::Checkpoint;
use rankine_data::{Batches, Dataset, Encoding, Example, Summary, encode, split};
use rankine_report::Cell;
use rankine_train::NextToken;

/// Data as examples for a model, cut at what it can see.
pub(crate) fn examples(checkpoint: &Checkpoint, section: &DataSection) -> Result<(Vec<Example>, Summary)> {
    let dataset = Dataset::read(&section.path, section.format, section.columns()?)?;
    let &DataSection { max_length, train_on_prompt, .. } = section;
    let context = Some(checkpoint.config().context);
    let encoding = Encoding { max_length, context, train_on_prompt, ..Encoding::default() };
    Ok(encode(&dataset, &tokenizer(checkpoint)?, &encoding)?)
}

/// What is learnt from, and what is held out.
fn batches(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<(Batches, Option<Batches>, Summary)> {
    let (examples, summary) = examples(checkpoint, &recipe.data)?;
    let (train, validation) = split(examples, recipe.data.share(), recipe.seed)?;
    let (train, validation) = batched(recipe, train, validation)?;
    Ok((train, validation, summary))
}

/// A run whose data are read.
pub(crate) fn job<'a>(
    recipe: &'a Recipe,
    checkpoint: &Checkpoint,
    watch: Watch<'_>,
) -> Result<Job<'a, NextToken>> {
    let (train, validation, summary) = batches(recipe, checkpoint)?;
    let held_out = validation.as_ref().map_or(&[][..], Batches::examples);
    let _ = watch(Notice::Data(&summary, train.examples().len(), held_out.len()));
    let sum = checksum(train.examples().iter().chain(held_out), |example| {
        (&example.tokens, example.answers.iter().map(|&answer| u8::from(answer)).collect())
    });
    Ok(Job {
        recipe,
        task: NextToken,
        batches: (train, validation),
        checksum: sum,
        described: described(&summary),
        targets: recipe.targets.clone(),
        classes: Vec::new(),
    })
}

fn described(data: &Summary) -> Described {
    Described {
        unit: "nats per token",
        facts: vec![
            ("file", Cell::text(data.path.display().to_string())),
            ("examples", Cell::Count(data.examples as u64)),
            ("tokens", Cell::Count(data.tokens as u64)),
            ("tokens learnt", Cell::Count(data.answer_tokens as u64)),
            ("truncated", Cell::Count(data.truncated as u64)),
            ("dropped", Cell::Count(data.dropped as u64)),
        ],
    }
}
