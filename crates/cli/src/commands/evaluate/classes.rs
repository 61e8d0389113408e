//! How well a classifier tells texts apart: accuracy, F1, Matthews' correlation, and what was taken for what.

use super::Evaluate;
use crate::{Context, Exit, model, quality};
use anyhow::Context as _;
use rankine_data::{Batches, Batching, LabelColumns, LabelledTexts, encode_labelled};
use rankine_report::{Cell, Column, Level, Page, Table};
use rankine_train::{ClassScore, Classify, Measured as _};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The most classes of a table.
const COLUMNS: usize = 32;

/// What was measured, on what.
#[derive(Serialize)]
struct Measured<'a, S> {
    model: &'a str,
    adapter: Option<&'a Path>,
    data: &'a Path,
    nll: f64,
    #[serde(flatten)]
    metrics: BTreeMap<&'static str, f64>,
    classes: &'a [String],
    /// How often the class of the row was taken for that of the column.
    confusion: Vec<Vec<usize>>,
    summary: &'a S,
    examples: Vec<Scored<'a>>,
}

/// One example.
#[derive(Serialize)]
struct Scored<'a> {
    #[serde(flatten)]
    place: Place,
    label: &'a str,
    guess: &'a str,
    nll: f64,
}

/// Where an example stands in its data.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// Where it begins in the file.
    Line(usize),
    /// Its number: classes by name, and in each the files by name; or its place in the IDX file.
    Image(usize),
}

/// Measures a classifier.
pub(super) fn run(command: &Evaluate, context: &Context) -> anyhow::Result<Exit> {
    let (text, second) = (command.text_column.clone(), command.second_column.clone());
    let columns = LabelColumns::named(text, second, command.label_column.clone());
    // The data are read first: a fault in them is found before a large model is loaded.
    let texts = LabelledTexts::read(&command.data, &columns)?;
    let path = model::find(context, &command.model.model)?;
    let (adapter, storage) = (command.model.adapter.as_deref(), command.model.weights);
    model::warn_of_base(context, (&command.model.model, &path), adapter);
    let loaded = rankine_run::load_classifier(&path, adapter, storage)
        .with_context(|| format!("while loading `{}`", command.model.model))?;
    loaded.warnings.iter().for_each(|warning| context.say(warning));
    let max_length = command.max_length.min(loaded.model.context());
    let (examples, summary) = encode_labelled(&texts, &loaded.tokenizer, &loaded.classes, max_length)?;
    let batches = Batches::new(examples, Batching::Examples(command.batch_size), 0)?;
    let score = quality::score(context, &command.data, (&Classify, loaded.model.as_ref()), &batches)?;
    let guesses = Guesses {
        classes: &loaded.classes,
        score: &score,
        summary: &summary,
        places: batches.examples().iter().map(|example| Place::Line(example.source)).collect(),
        counts: vec![
            ("examples", Cell::Count(score.examples.len() as u64)),
            ("cut at the end", Cell::Count(summary.truncated as u64)),
        ],
    };
    guesses.show(command, context)
}

/// What a classifier said of some data.
pub(super) struct Guesses<'a, S> {
    /// Names of its classes.
    pub classes: &'a [String],
    pub score: &'a ClassScore,
    /// What was read.
    pub summary: &'a S,
    /// Where every example stands.
    pub places: Vec<Place>,
    /// How much there was, for the page.
    pub counts: Vec<(&'static str, Cell)>,
}

impl<S: Serialize> Guesses<'_, S> {
    /// As a page, or as JSON with every example.
    pub fn show(&self, command: &Evaluate, context: &Context) -> anyhow::Result<Exit> {
        match command.json {
            true => context.show_json(&self.measured(command))?,
            false => context.show(&self.page(command))?,
        }
        Ok(Exit::Done)
    }

    fn measured<'a>(&'a self, command: &'a Evaluate) -> Measured<'a, S> {
        let name = |class: u32| self.classes.get(class as usize).map_or("", String::as_str);
        let examples = self.places.iter().zip(&self.score.examples).map(|(&place, scored)| Scored {
            place,
            label: name(scored.label),
            guess: name(scored.guess),
            nll: scored.nll,
        });
        Measured {
            model: &command.model.model,
            adapter: command.model.adapter.as_deref(),
            data: &command.data,
            nll: self.score.nll,
            metrics: self.score.metrics().into_iter().collect(),
            classes: self.classes,
            confusion: self.confusion(),
            summary: self.summary,
            examples: examples.collect(),
        }
    }

    fn confusion(&self) -> Vec<Vec<usize>> {
        let confusion = &self.score.confusion;
        let row = |label| (0..confusion.classes()).map(|guess| confusion.count(label, guess)).collect();
        (0..confusion.classes()).map(row).collect()
    }

    fn page(&self, command: &Evaluate) -> Page {
        let mut facts = facts(self.score);
        facts.extend(self.counts.iter().cloned());
        let mut page = Page::new(format!("{} on {}", command.model.model, command.data.display()));
        page.facts(&facts);
        match table(self.classes, &self.confusion()) {
            Some(table) => page.table(table),
            None => page.note(Level::Note, "`--json` tells which class was taken for which"),
        };
        page
    }
}

/// What was taken for what; of many classes only those that occur, and `None` where these are many too.
fn table(names: &[String], confusion: &[Vec<usize>]) -> Option<Table> {
    let counted = |class: usize| confusion[class].iter().any(|&count| 0 < count);
    let guessed = |class: usize| confusion.iter().any(|row| 0 < row[class]);
    let few = confusion.len() <= COLUMNS;
    let shown: Vec<usize> = (0..confusion.len().min(names.len()))
        .filter(|&class| few || counted(class) || guessed(class))
        .collect();
    if COLUMNS < shown.len() {
        return None;
    }
    let columns = shown.iter().map(|&class| Column::number(names[class].as_str()));
    let mut table = Table::new([Column::text("class")].into_iter().chain(columns))
        .caption("How often the class of a row was taken for that of a column");
    for &class in &shown {
        let counts = shown.iter().map(|&guess| Cell::Count(confusion[class][guess] as u64));
        table.row([Cell::text(&names[class])].into_iter().chain(counts));
    }
    Some(table)
}

/// Loss and metrics.
fn facts(score: &ClassScore) -> Vec<(&'static str, Cell)> {
    let fact = |(name, value)| match name {
        "accuracy" => ("accuracy", Cell::Percent(value)),
        "f1" => ("F1 of the second class", Cell::fixed(value, 4)),
        "macro_f1" => ("mean F1 of the classes", Cell::fixed(value, 4)),
        "matthews" => ("Matthews' correlation", Cell::fixed(value, 4)),
        other => (other, Cell::fixed(value, 4)),
    };
    std::iter::once(("NLL", Cell::fixed(score.nll, 4))).chain(score.metrics().into_iter().map(fact)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_classes_those_that_occur_are_shown() {
        let names: Vec<String> = (0..1000).map(|class| format!("c{class}")).collect();
        let mut confusion = vec![vec![0; 1000]; 1000];
        (confusion[7][904], confusion[904][904]) = (1, 2);
        let mut page = Page::new("x");
        page.table(table(&names, &confusion).unwrap());
        let shown = page.terminal(80, false);
        assert!(shown.contains("c7") && shown.contains("c904") && !shown.contains("c8"), "{shown}");
        (0..1000).for_each(|class| confusion[class][class] = 1);
        assert!(table(&names, &confusion).is_none());
        let few = table(&names[..2], &[vec![0; 2], vec![0; 2]]).unwrap();
        let mut page = Page::new("x");
        page.table(few);
        assert!(page.terminal(80, false).contains("c1"));
    }
}
