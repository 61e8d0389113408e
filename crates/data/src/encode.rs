//! Records into examples: tokens, and which of them are to be learnt.
//!
//! A conversation becomes one example, cut at the maximum length from the end; an example that loses its whole answer
//! is dropped. Plain text becomes as many examples as it takes; each begins with the last token of the one before, so
//! that every token but the first is predicted exactly once.

use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::chat::{ChatOptions, Message, Moment};
use crate::error::{Error, Result};
use crate::read::{Content, Dataset, Format, Record};
use crate::tokenizer::Tokenizer;

/// How records become examples.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// The most tokens an example may have.
    pub max_length: usize,
    /// The most tokens that the model takes, where that is known: no example has more.
    pub context: Option<usize>,
    /// Whether prompts are learnt as well as answers.
    pub train_on_prompt: bool,
    /// The time that chat templates are told; none for their own fixed date.
    pub now: Option<Moment>,
    /// More variables for the chat template.
    pub variables: Map<String, Value>,
}

impl Encoding {
    /// The most tokens that an example gets.
    fn limit(&self) -> usize {
        self.context.map_or(self.max_length, |context| self.max_length.min(context))
    }
}

impl Default for Encoding {
    /// 1024 tokens, loss on answers.
    fn default() -> Self {
        Self { max_length: 1024, context: None, train_on_prompt: false, now: None, variables: Map::new() }
    }
}

/// What a model sees at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Token ids; `[t]`.
    pub tokens: Vec<u32>,
    /// Whether each token is to be predicted; the first never is, for want of one before it; `[t]`.
    pub answers: Vec<bool>,
    /// The line of the file it came from; from 1.
    pub source: usize,
}

impl Example {
    /// The number of tokens to be predicted.
    pub fn answer_tokens(&self) -> usize {
        self.answers.iter().skip(1).filter(|&&answer| answer).count()
    }
}

/// Whose template made the text of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateKind {
    /// The model's own.
    Model,
    /// The classic Alpaca form, because the model has none.
    Alpaca,
    /// None: plain text.
    None,
}

/// What became of a data set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// The format of its rows.
    pub format: Format,
    /// Whose template made the text.
    pub template: TemplateKind,
    /// Records read.
    pub records: usize,
    /// Examples made of them.
    pub examples: usize,
    /// Tokens in all examples.
    pub tokens: usize,
    /// Tokens to be predicted.
    pub answer_tokens: usize,
    /// Examples cut at the maximum length and kept.
    pub truncated: usize,
    /// Records left out because no answer token remained.
    pub dropped: usize,
    /// Tokens of the longest example before it was cut.
    pub longest: usize,
}

/// Encodes a data set; examples are in the order of its records, whatever the number of threads.
///
/// # Errors
/// [`Error::Example`] with the line of the first record that the chat template does not take;
/// [`Error::AllDropped`], [`Error::NothingToLearn`] when no example is left; [`Error::MaxLength`] below 2 tokens.
pub fn encode(
    dataset: &Dataset,
    tokenizer: &Tokenizer,
    encoding: &Encoding,
) -> Result<(Vec<Example>, Summary)> {
    if encoding.limit() < 2 {
        return Err(Error::MaxLength { found: encoding.limit() });
    }
    let encode = |record: &Record| record_tokens(record, tokenizer, encoding);
    let encoded: Vec<Result<Tokens>> = dataset.records.par_iter().map(encode).collect();
    let mut summary = Summary::new(dataset, tokenizer);
    let mut examples = Vec::with_capacity(encoded.len());
    let mut needed = usize::MAX;
    for (record, tokens) in dataset.records.iter().zip(encoded) {
        let Tokens { tokens, answers, whole } = tokens.map_err(|source| Error::Example {
            path: dataset.path.clone(),
            line: record.line,
            source: Box::new(source),
        })?;
        let first = answers.iter().skip(1).position(|&answer| answer);
        needed = needed.min(first.map_or(usize::MAX, |first| first + 2));
        let before = examples.len();
        let example = Example { tokens, answers, source: record.line };
        if whole {
            cut(example, encoding, &mut summary, &mut examples)
        } else {
            chunk(example, encoding, &mut summary, &mut examples)
        }
        summary.dropped += usize::from(examples.len() == before);
    }
    if examples.is_empty() {
        return Err(nothing_left(dataset, encoding, needed));
    }
    summary.count(&examples);
    Ok((examples, summary))
}

fn nothing_left(dataset: &Dataset, encoding: &Encoding, needed: usize) -> Error {
    let (path, records, max_length) = (dataset.path.clone(), dataset.records.len(), encoding.limit());
    match needed {
        usize::MAX => Error::NothingToLearn { path, records },
        needed => Error::AllDropped { path, records, max_length, needed, context: encoding.context },
    }
}

/// The tokens of a record before any cut.
struct Tokens {
    tokens: Vec<u32>,
    answers: Vec<bool>,
    /// Whether it must stay one example.
    whole: bool,
}

fn record_tokens(record: &Record, tokenizer: &Tokenizer, encoding: &Encoding) -> Result<Tokens> {
    let (messages, tools) = match &record.content {
        Content::Chat { messages, tools } => (messages, tools),
        Content::Text(text) => return text_tokens(text, tokenizer),
    };
    let options = ChatOptions {
        add_generation_prompt: false,
        tools: tools.clone(),
        now: encoding.now,
        variables: encoding.variables.clone(),
    };
    if encoding.train_on_prompt {
        return prompt_tokens(messages, &options, tokenizer);
    }
    let chat = tokenizer.encode_chat(messages, &options)?;
    Ok(Tokens { tokens: chat.tokens, answers: chat.answers, whole: true })
}

fn prompt_tokens(messages: &[Message], options: &ChatOptions, tokenizer: &Tokenizer) -> Result<Tokens> {
    let tokens = tokenizer.encode(&tokenizer.render(messages, options)?, false)?;
    Ok(Tokens { answers: vec![true; tokens.len()], tokens, whole: true })
}

/// A text ends with the end token, so that the model learns to stop.
fn text_tokens(text: &str, tokenizer: &Tokenizer) -> Result<Tokens> {
    let mut tokens = tokenizer.encode(text, true)?;
    if let Some(&end) = tokenizer.eos_ids().first()
        && tokens.last() != Some(&end)
    {
        tokens.push(end);
    }
    Ok(Tokens { answers: vec![true; tokens.len()], tokens, whole: false })
}

fn cut(mut example: Example, encoding: &Encoding, summary: &mut Summary, examples: &mut Vec<Example>) {
    let (length, limit) = (example.tokens.len(), encoding.limit());
    summary.longest = summary.longest.max(length);
    example.tokens.truncate(limit);
    example.answers.truncate(limit);
    if 0 < example.answer_tokens() {
        summary.truncated += usize::from(limit < length);
        examples.push(example);
    }
}

fn chunk(example: Example, encoding: &Encoding, summary: &mut Summary, examples: &mut Vec<Example>) {
    let mut start = 0;
    while start + 1 < example.tokens.len() {
        let end = example.tokens.len().min(start + encoding.limit());
        summary.longest = summary.longest.max(end - start);
        examples.push(Example {
            tokens: example.tokens[start..end].to_vec(),
            answers: example.answers[start..end].to_vec(),
            source: example.source,
        });
        start = end - 1;
    }
}

impl Summary {
    fn new(dataset: &Dataset, tokenizer: &Tokenizer) -> Self {
        let template = match (dataset.format, tokenizer.chat_template()) {
            (Format::Text, _) => TemplateKind::None,
            (_, Some(_)) => TemplateKind::Model,
            (_, None) => TemplateKind::Alpaca,
        };
        Self {
            path: dataset.path.clone(),
            format: dataset.format,
            template,
            records: dataset.records.len(),
            examples: 0,
            tokens: 0,
            answer_tokens: 0,
            truncated: 0,
            dropped: 0,
            longest: 0,
        }
    }

    fn count(&mut self, examples: &[Example]) {
        self.examples = examples.len();
        self.tokens = examples.iter().map(|example| example.tokens.len()).sum();
        self.answer_tokens = examples.iter().map(Example::answer_tokens).sum();
    }
}
