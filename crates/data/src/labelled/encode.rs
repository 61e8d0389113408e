//! Labelled texts into examples, and examples into batches without padding.

use std::path::PathBuf;

use rayon::prelude::*;

use super::{LabelledText, LabelledTexts};
use crate::batch::Sample;
use crate::error::{Error, Result, names as listed};
use crate::split::Labelled;
use crate::tokenizer::{Cutter, Tokenizer};

/// What a classifier sees at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledExample {
    /// Token ids, special tokens included; `[t]`.
    pub tokens: Vec<u32>,
    /// Which text of a pair each token belongs to: 0 or 1; `[t]`.
    pub types: Vec<u32>,
    /// The number of its class.
    pub label: u32,
    /// The line of the file it came from; from 1.
    pub source: usize,
}

/// Examples end to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelledBatch {
    /// The examples' tokens; `[t]`.
    pub tokens: Vec<u32>,
    /// Which text of a pair each token belongs to; `[t]`.
    pub types: Vec<u32>,
    /// The length of each example; they add up to t; `[examples]`.
    pub lengths: Vec<usize>,
    /// The class of each example; `[examples]`.
    pub labels: Vec<u32>,
}

impl Labelled for LabelledExample {
    fn label(&self) -> u32 {
        self.label
    }
}

impl Sample for LabelledExample {
    type Batch = LabelledBatch;

    fn length(&self) -> usize {
        self.tokens.len()
    }

    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> LabelledBatch {
        let mut batch = LabelledBatch::default();
        for example in samples {
            batch.tokens.extend(&example.tokens);
            batch.types.extend(&example.types);
            batch.lengths.push(example.tokens.len());
            batch.labels.push(example.label);
        }
        batch
    }
}

/// What became of the texts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LabelSummary {
    /// The file.
    pub path: PathBuf,
    /// Examples.
    pub examples: usize,
    /// Tokens in all examples.
    pub tokens: usize,
    /// Examples cut at the maximum length.
    pub truncated: usize,
    /// Every class, and how many examples it has.
    pub classes: Vec<(String, usize)>,
}

/// Encodes texts, each with the special tokens of the model and at most `max_length` tokens; of a pair the longer text
/// is cut first. `names` are the classes in their order.
///
/// # Errors
/// [`Error::Label`] with the line of the first label that is no class; [`Error::NoRoom`] when `max_length` leaves no
/// room for text; [`Error::Tokenize`].
pub fn encode_labelled(
    texts: &LabelledTexts,
    tokenizer: &Tokenizer,
    names: &[String],
    max_length: usize,
) -> Result<(Vec<LabelledExample>, LabelSummary)> {
    let cutter = tokenizer.cutting(max_length)?;
    let found = texts.classes().len();
    let encode = |record: &LabelledText| {
        let unknown = || Error::Label {
            path: texts.path.clone(),
            line: record.line,
            label: record.label.clone(),
            found,
            classes: names.len(),
            known: listed(names.iter().map(String::as_str)),
        };
        example(record, class(&record.label, names).ok_or_else(unknown)?, &cutter)
    };
    // The first fault in the file, whichever thread finds one first.
    let encoded: Vec<Result<_>> = texts.records.par_iter().map(encode).collect();
    let encoded = encoded.into_iter().collect::<Result<Vec<_>>>()?;
    let mut summary = LabelSummary {
        path: texts.path.clone(),
        examples: encoded.len(),
        tokens: 0,
        truncated: 0,
        classes: names.iter().map(|name| (name.clone(), 0)).collect(),
    };
    for (example, truncated) in &encoded {
        summary.tokens += example.tokens.len();
        summary.truncated += usize::from(*truncated);
        summary.classes[example.label as usize].1 += 1;
    }
    Ok((encoded.into_iter().map(|(example, _)| example).collect(), summary))
}

/// One example, and whether it was cut.
fn example(record: &LabelledText, label: u32, cutter: &Cutter) -> Result<(LabelledExample, bool)> {
    let cut = cutter.encode(&record.text, record.second.as_deref())?;
    let example = LabelledExample { tokens: cut.tokens, types: cut.types, label, source: record.line };
    Ok((example, cut.truncated))
}

/// The number of a class, by its name, or by its number where no name is one.
pub(crate) fn class(label: &str, names: &[String]) -> Option<u32> {
    let named = names.iter().position(|name| name == label);
    let is_number = |name: &String| name.parse::<i64>().is_ok();
    let numbered = || {
        let number = label.parse().ok().filter(|&number: &usize| number < names.len())?;
        (!names.iter().any(is_number)).then_some(number)
    };
    named.or_else(numbered).and_then(|class| u32::try_from(class).ok())
}
