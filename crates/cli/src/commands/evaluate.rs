//! `rankine evaluate`: how well a model predicts a data set.
//!
//! NLL is the mean of −ln p over all scored tokens, perplexity its exponential, accuracy the share of scored tokens that
//! are the model's own first choice. Of a classifier, see `classes` and `images`.

mod classes;
mod images;

use crate::errors::Failure;
use crate::model::ModelArgs;
use crate::{Context, Exit, quality};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use rankine_checkpoint::ImageCheckpoint;
use rankine_data::{
    Batches, Batching, Columns, Content, Dataset, Encoding, Example, Format, Record, Summary, encode,
};
use rankine_report::{Cell, Page};
use rankine_run::Loaded;
use rankine_train::{ExampleScore, NextToken, Score};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Measure how well a model predicts a data set: mean NLL, perplexity, token accuracy
///
/// Of conversations the answers are scored, of plain text all tokens but the first. Of labelled texts
/// or images, a classifier's guesses are: accuracy, F1, Matthews' correlation.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Evaluate {
    #[command(flatten)]
    model: ModelArgs,
    /// The data: JSON, JSONL, CSV, TSV or plain text; of images a folder with a folder for every class, or an IDX file
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Format of its rows; told by the fields of the first row when absent
    #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.map(|(word, _)| word)).map(|word| format_of(&word)))]
    format: Option<Format>,
    /// Column of the prompts, for tables
    #[arg(long, value_name = "NAME", requires = "answer_column")]
    prompt_column: Option<String>,
    /// Column of the answers, or of the text when there is no prompt column
    #[arg(long, value_name = "NAME")]
    answer_column: Option<String>,
    /// Column of the texts that a classifier tells apart; `text` when absent
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the second text, where pairs are told apart
    #[arg(long, value_name = "NAME")]
    second_column: Option<String>,
    /// Column of the labels, names or numbers of classes; `label` when absent
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Cut conversations, and window plain text, at this many tokens
    #[arg(long, default_value_t = quality::LENGTH, value_name = "N")]
    max_length: usize,
    /// Score prompts as well as answers
    #[arg(long)]
    train_on_prompt: bool,
    /// Score only the first N tokens of a plain text, as one window without special tokens
    #[arg(long, value_name = "N", conflicts_with_all = ["train_on_prompt", "answer_column"])]
    tokens: Option<usize>,
    /// Examples at a time
    #[arg(long, default_value_t = quality::BATCH, value_name = "N")]
    batch_size: usize,
    /// Print JSON, with every example
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine evaluate smollm2-135m --data held_out.jsonl
  rankine evaluate smollm2-135m --adapter runs/first --data held_out.jsonl --json
  rankine evaluate smollm2-135m --data book.txt --tokens 512
  rankine evaluate ./bert --adapter runs/spam --data mail.csv --text-column body --label-column kind
  rankine evaluate ./mobilenet_v2.pth --adapter runs/pets --data pets/held_out";

/// Words of the command line.
const FORMATS: [(&str, Format); 5] = [
    ("alpaca", Format::Alpaca),
    ("sharegpt", Format::Sharegpt),
    ("messages", Format::Messages),
    ("pairs", Format::Pairs),
    ("text", Format::Text),
];

fn format_of(word: &str) -> Format {
    FORMATS.iter().find(|(known, _)| *known == word).map_or(Format::Text, |(_, format)| *format)
}

/// What was measured, on what.
#[derive(Serialize)]
struct Measured<'a> {
    model: &'a str,
    adapter: Option<&'a Path>,
    data: &'a Path,
    nll: f64,
    perplexity: f64,
    accuracy: f64,
    tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a Summary>,
    examples: Vec<Scored<'a>>,
}

/// One example.
#[derive(Serialize)]
struct Scored<'a> {
    /// Where it begins in the file.
    line: usize,
    #[serde(flatten)]
    score: &'a ExampleScore,
}

impl Evaluate {
    /// Measures.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(model) = self.image_classifier(context)? {
            return images::run(&self, context, model);
        }
        if self.classifies(context)? {
            return classes::run(&self, context);
        }
        // The data are read first: a fault in them is found before a large model is loaded.
        let dataset = Dataset::read(&self.data, self.format, self.columns())?;
        let loaded = self.model.load(context)?;
        let (examples, summary) = self.examples(&dataset, &loaded, context)?;
        let batches = Batches::new(examples, Batching::Examples(self.batch_size), 0)?;
        let score = quality::score(context, &self.data, (&NextToken, loaded.model.as_ref()), &batches)?;
        match self.json {
            true => context.show_json(&self.measured(batches.examples(), &score, summary.as_ref()))?,
            false => context.show(&self.page(&score, summary.as_ref()))?,
        }
        Ok(Exit::Done)
    }

    /// The model, where it is one of images; one that has to be pulled first is none.
    fn image_classifier(&self, context: &Context) -> anyhow::Result<Option<ImageCheckpoint>> {
        match context.hub()?.resolve(&self.model.model) {
            Ok(path) => Ok(ImageCheckpoint::open(&path)?),
            Err(_) => Ok(None),
        }
    }

    /// Whether there are labels, or model and adapter are a classifier; a model that has to be pulled first is none.
    fn classifies(&self, context: &Context) -> anyhow::Result<bool> {
        if [&self.text_column, &self.second_column, &self.label_column].into_iter().any(Option::is_some) {
            return Ok(true);
        }
        match context.hub()?.resolve(&self.model.model) {
            Ok(path) => Ok(rankine_run::is_classifier(&path, self.model.adapter.as_deref())?),
            Err(_) => Ok(false),
        }
    }

    fn columns(&self) -> Option<Columns> {
        let answer = self.answer_column.clone()?;
        Some(match self.prompt_column.clone() {
            Some(prompt) => Columns::Pair { prompt, answer, system: None },
            None => Columns::Text(answer),
        })
    }

    fn examples(
        &self,
        dataset: &Dataset,
        loaded: &Loaded,
        context: &Context,
    ) -> anyhow::Result<(Vec<Example>, Option<Summary>)> {
        if let Some(tokens) = self.tokens {
            return Ok((vec![window(dataset, loaded, tokens)?], None));
        }
        let &Self { max_length, train_on_prompt, .. } = self;
        let limit = loaded.model.context();
        if limit < max_length {
            context.say(format!("examples are cut at the model's context of {limit} tokens"));
        }
        let encoding = Encoding { max_length, context: Some(limit), train_on_prompt, ..Encoding::default() };
        let (examples, summary) = encode(dataset, &loaded.tokenizer, &encoding)?;
        Ok((examples, Some(summary)))
    }

    fn measured<'a>(
        &'a self,
        examples: &[Example],
        score: &'a Score,
        summary: Option<&'a Summary>,
    ) -> Measured<'a> {
        let scored = examples.iter().zip(&score.examples);
        Measured {
            model: &self.model.model,
            adapter: self.model.adapter.as_deref(),
            data: &self.data,
            nll: score.nll,
            perplexity: score.perplexity,
            accuracy: score.accuracy,
            tokens: score.tokens,
            summary,
            examples: scored.map(|(example, score)| Scored { line: example.source, score }).collect(),
        }
    }

    fn page(&self, score: &Score, summary: Option<&Summary>) -> Page {
        let mut facts = vec![
            ("NLL", Cell::fixed(score.nll, 4)),
            ("perplexity", Cell::number(score.perplexity, 5)),
            ("token accuracy", Cell::Percent(score.accuracy)),
            ("scored tokens", Cell::Count(score.tokens as u64)),
            ("examples", Cell::Count(score.examples.len() as u64)),
        ];
        if let Some(summary) = summary {
            facts.push(("cut at the end", Cell::Count(summary.truncated as u64)));
            facts.push(("left out", Cell::Count(summary.dropped as u64)));
        }
        let mut page = Page::new(format!("{} on {}", self.model.model, self.data.display()));
        page.facts(&facts);
        page
    }
}

/// The first tokens of a plain text.
fn window(dataset: &Dataset, loaded: &Loaded, tokens: usize) -> anyhow::Result<Example> {
    let [Record { content: Content::Text(text), line }] = dataset.records.as_slice() else {
        let message = format!("`--tokens` is for one plain text; `{}` has rows", dataset.path.display());
        return Err(Failure::with_hint(message, "leave out `--tokens`").into());
    };
    let context = loaded.model.context();
    if tokens < 2 || context < tokens {
        let message =
            format!("`--tokens` should be from 2 to the model's context of {context}; found {tokens}");
        return Err(Failure::new(message).into());
    }
    let mut ids = loaded.tokenizer.encode(text, false)?;
    ids.truncate(tokens);
    if ids.len() < 2 {
        let message = format!("`{}` has fewer than two tokens", dataset.path.display());
        return Err(Failure::new(message).into());
    }
    Ok(Example { answers: vec![true; ids.len()], tokens: ids, source: *line })
}
