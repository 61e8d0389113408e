//! What experiments on language models share: a tiny one of our own making and what it learns, the one that a user gives, the
//! loop, the score, and weights in memory.

mod grammar;
mod held;
#[cfg(test)]
pub(crate) mod testing;
mod tiny;

pub(crate) use grammar::Grammar;
pub(crate) use held::Held;
pub(crate) use tiny::Tiny;

use crate::{Error, Language, Result};
use rankine_data::{Batches, Dataset, Encoding, Example, Tokenizer, encode};
use rankine_nn::{Kind, LanguageModel};
use rankine_train::{AdamW, Data, Event, NextToken, Plan, Schedule, evaluate, run};
use std::{ops::ControlFlow, path::Path};

/// The model that a user gives.
pub(crate) fn load(language: &Language<'_>) -> Result<(Box<dyn LanguageModel>, Tokenizer)> {
    (language.load)().map_err(|source| Error::Language { name: language.name.clone(), source })
}

/// What a file makes of at most so many tokens each; all of them are to be learnt.
pub(crate) fn examples(data: &Path, tokenizer: &Tokenizer, max_length: usize) -> Result<Vec<Example>> {
    let dataset = Dataset::read(data, None, None)?;
    let encoding = Encoding { max_length, train_on_prompt: true, ..Encoding::default() };
    Ok(encode(&dataset, tokenizer, &encoding)?.0)
}

/// What a file is called on a page.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Every linear layer but the head, peft's `all-linear`.
pub(crate) fn linear_modules(model: &dyn LanguageModel) -> Vec<String> {
    let parameters = model.parameters().into_iter();
    parameters.filter(|parameter| parameter.kind() == Kind::Linear).map(|p| p.module().to_owned()).collect()
}

/// Mean −ln p of what is to be learnt of some texts.
pub(crate) fn nll(model: &dyn LanguageModel, texts: &Batches) -> Result<f64> {
    Ok(evaluate(model, &mut texts.sequential(), &mut |_| {})?.nll)
}

/// AdamW on one batch after the other until the schedule ends, or what it has lost so far is `enough`; the loss of every step.
pub(crate) fn follow(
    model: &mut (dyn LanguageModel + 'static),
    texts: &Batches,
    schedule: Schedule,
    enough: &dyn Fn(&[f64]) -> bool,
) -> Result<Vec<f64>> {
    let (plan, mut losses) = (Plan::plain(schedule, 0), Vec::new());
    let data: Data<'_> = Data { train: texts, validation: None };
    let mut optimizer = AdamW::default();
    run::<NextToken>(model, data, (&NextToken, &mut optimizer), &plan, None, &mut |event, _| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
            if enough(&losses) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}
