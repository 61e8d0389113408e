//! Texts and what they are: rows with a column of text, perhaps a second one, and a column of labels.
//!
//! A label is a name or a whole number. Classes are the labels in sorted order (numbers by their size), or those that a
//! model already knows: then a label is one of its names, or the number of one where no name is a number itself.

mod encode;

pub(crate) use encode::class;
pub use encode::{LabelSummary, LabelledBatch, LabelledExample, encode_labelled};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, Fault, Result, io};
use crate::read::{Row, field, rows};

/// Which fields hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelColumns {
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub second: Option<String>,
    /// The label.
    pub label: String,
}

impl Default for LabelColumns {
    /// `text` and `label`.
    fn default() -> Self {
        Self { text: "text".into(), second: None, label: "label".into() }
    }
}

impl LabelColumns {
    /// The usual ones where no others are named.
    pub fn named(text: Option<String>, second: Option<String>, label: Option<String>) -> Self {
        let usual = Self::default();
        Self { text: text.unwrap_or(usual.text), second, label: label.unwrap_or(usual.label) }
    }
}

/// One text, or a pair of them, with its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledText {
    /// The line of the file where it begins; from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub second: Option<String>,
    /// The label as the file has it.
    pub label: String,
}

/// The texts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledTexts {
    /// The file, or the name given to the bytes.
    pub path: PathBuf,
    /// The texts, in the file's order; never empty.
    pub records: Vec<LabelledText>,
}

impl LabelledTexts {
    /// Reads CSV, TSV, JSON or JSON lines.
    ///
    /// # Errors
    /// [`Error::Record`] with the line of the first row without its fields or with an empty text; [`Error::Empty`],
    /// [`Error::UnknownFormat`], [`Error::UnreadableFormat`], [`Error::Io`].
    pub fn read(path: &Path, columns: &LabelColumns) -> Result<Self> {
        Self::read_bytes(path, &std::fs::read(path).map_err(io(path))?, columns)
    }

    /// As [`read`](Self::read), from bytes; the ending of `name` tells the container.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_bytes(name: impl AsRef<Path>, bytes: &[u8], columns: &LabelColumns) -> Result<Self> {
        let path = name.as_ref();
        let record = |row: &Row| {
            let fault = |fault| Error::Record { path: path.to_owned(), line: row.line, fault };
            columns.read(row).map_err(fault)
        };
        let records = rows(path, bytes, None)?.iter().map(record).collect::<Result<Vec<_>>>()?;
        if records.is_empty() {
            return Err(Error::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), records })
    }

    /// The labels that occur, each once: numbers by their size where all are numbers, else by name.
    ///
    /// # Errors
    /// [`Error::OneClass`]: there is nothing to tell apart.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.classes().into_iter().map(str::to_owned).collect();
        if names.len() < 2 {
            return Err(Error::OneClass { path: self.path.clone(), label: names.concat() });
        }
        let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
        if let Some(mut numbers) = numbers {
            numbers.sort_unstable();
            names = numbers.iter().map(i64::to_string).collect();
        }
        Ok(names)
    }

    /// The labels that occur, each once.
    fn classes(&self) -> BTreeSet<&str> {
        self.records.iter().map(|record| record.label.as_str()).collect()
    }
}

impl LabelColumns {
    fn read(&self, row: &Row) -> Result<LabelledText, Fault> {
        let text = |name: &String| filled(&row.fields, name);
        Ok(LabelledText {
            line: row.line,
            text: text(&self.text)?,
            second: self.second.as_ref().map(text).transpose()?,
            label: label(&row.fields, &self.label)?,
        })
    }
}

/// A field with a text that is more than blanks.
fn filled(fields: &Map<String, Value>, name: &str) -> Result<String, Fault> {
    let text = field::string(fields, "", name)?;
    if text.trim().is_empty() {
        Err(Fault::EmptyText { field: name.to_owned() })
    } else {
        Ok(text.to_owned())
    }
}

/// A label as text; whole numbers lose what does not tell them apart (`+1`, `01`).
fn label(fields: &Map<String, Value>, name: &str) -> Result<String, Fault> {
    let value = field::required(fields, "", name)?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_i64() => number.to_string(),
        other => return Err(field::wrong(name.to_owned(), "a name or a whole number", other)),
    };
    if text.is_empty() {
        return Err(Fault::EmptyText { field: name.to_owned() });
    }
    Ok(text.parse::<i64>().map_or(text, |number| number.to_string()))
}
