//! Data files into records.
//!
//! A file is a *container* (a JSON array, JSON lines, CSV or TSV, plain text) of rows, and a row has a *format*
//! (which fields mean what). The container is told by the ending and the first byte, the format by the fields of the
//! first row. Every record knows its line.

mod alpaca;
mod columns;
pub(crate) mod fault;
pub(crate) mod field;
mod json;
mod messages;
mod pairs;
mod sharegpt;
mod table;
mod text;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::chat::Message;
use crate::error::{Error, Fault, Result, io, names};

pub use columns::Columns;

/// The records of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The file, or the name given to the bytes.
    pub path: PathBuf,
    /// The format of its rows.
    pub format: Format,
    /// The records, in the file's order; never empty.
    pub records: Vec<Record>,
}

/// One thing to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The line of the file where it begins; from 1.
    pub line: usize,
    /// What it says.
    pub content: Content,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A conversation with at least one answer.
    Chat {
        /// The messages in order.
        messages: Vec<Message>,
        /// The tools the assistant may call, each a JSON schema.
        tools: Vec<Value>,
    },
    /// Plain text, all of it to be learnt.
    Text(String),
}

/// What the fields of a row mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `instruction`, `input`, `output`, and perhaps `system` and `history`.
    Alpaca,
    /// `conversations` of `from` and `value`, and perhaps `system` and `tools`.
    Sharegpt,
    /// `messages` of `role` and `content`, and perhaps `tools`.
    Messages,
    /// A prompt and an answer: `prompt` and `completion`, `question` and `answer`, or columns that were named.
    Pairs,
    /// A field `text`, or a file of plain text.
    Text,
}

/// A row: its fields, and the line where it begins.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) fields: Map<String, Value>,
}

/// How rows of one format become records.
trait Shape: Sync {
    /// Whether these fields are of this format.
    fn fits(&self, fields: &Map<String, Value>) -> bool;
    /// Reads one row.
    fn read(&self, fields: &Map<String, Value>, columns: Option<&Columns>) -> Result<Content, Fault>;
}

/// All formats, in the order in which they are tried on the first row.
const SHAPES: [(Format, &dyn Shape); 5] = [
    (Format::Messages, &messages::Messages),
    (Format::Sharegpt, &sharegpt::Sharegpt),
    (Format::Alpaca, &alpaca::Alpaca),
    (Format::Pairs, &pairs::Pairs),
    (Format::Text, &text::Text),
];

/// How rows lie in a file.
enum Container {
    Json,
    Table(u8),
    Plain,
}

impl Dataset {
    /// Reads a file. `format` and `columns` say what the file itself does not: columns named by the caller win over
    /// a format.
    ///
    /// # Errors
    /// [`Error::Record`] with the line of the first broken record; [`Error::Empty`] when there is none;
    /// [`Error::UnknownFormat`], [`Error::UnreadableFormat`], [`Error::Io`].
    pub fn read(path: &Path, format: Option<Format>, columns: Option<Columns>) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        Self::read_bytes(path, &bytes, format, columns)
    }

    /// As [`read`](Self::read), from bytes; `name` stands for the path, and its ending tells the container.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_bytes(
        name: impl AsRef<Path>,
        bytes: &[u8],
        format: Option<Format>,
        columns: Option<Columns>,
    ) -> Result<Self> {
        let path = name.as_ref();
        let rows = rows(path, bytes, format)?;
        let fault = |(line, fault)| Error::Record { path: path.to_owned(), line, fault };
        let first = rows.first().ok_or_else(|| Error::Empty { path: path.to_owned() })?;
        let (format, shape) =
            shape(first, format, columns.as_ref()).map_err(|cause| fault((first.line, cause)))?;
        let read = |row: &Row| match shape.read(&row.fields, columns.as_ref()) {
            Ok(content) => Ok(Record { line: row.line, content }),
            Err(cause) => Err(fault((row.line, cause))),
        };
        let records = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), format, records })
    }
}

/// The rows of a file; at least one, but for a table that is a header only.
pub(crate) fn rows(path: &Path, bytes: &[u8], format: Option<Format>) -> Result<Vec<Row>> {
    let text = utf8(path, bytes)?;
    let container = container(path, text, format)?;
    if text.trim().is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let rows = match container {
        Container::Json => json::rows(text),
        Container::Table(separator) => table::rows(text, separator),
        Container::Plain => Ok(vec![text::whole(text)]),
    };
    rows.map_err(|(line, fault)| Error::Record { path: path.to_owned(), line, fault })
}

fn shape(
    first: &Row,
    format: Option<Format>,
    columns: Option<&Columns>,
) -> Result<(Format, &'static dyn Shape), Fault> {
    let wanted = columns.map(Columns::format).or(format);
    let of_format = |wanted: Format| SHAPES.iter().find(|(format, _)| *format == wanted);
    let fitting = || SHAPES.iter().find(|(_, shape)| shape.fits(&first.fields));
    wanted
        .map_or_else(fitting, of_format)
        .copied()
        .ok_or_else(|| Fault::UnknownFields { found: names(first.fields.keys().map(String::as_str)) })
}

/// The container, by the ending; by the first byte where the ending tells nothing. A file without an ending that is no
/// JSON is plain text.
fn container(path: &Path, text: &str, format: Option<Format>) -> Result<Container> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let looks_like_json = text.trim_start().starts_with(['[', '{']);
    Ok(match ending.as_deref().unwrap_or("") {
        "json" | "jsonl" | "ndjson" => Container::Json,
        "csv" => Container::Table(b','),
        "tsv" => Container::Table(b'\t'),
        "txt" | "md" | "text" | "markdown" => Container::Plain,
        _ if looks_like_json => Container::Json,
        ending if ending.is_empty() || format == Some(Format::Text) => Container::Plain,
        _ => return Err(Error::UnknownFormat { path: path.to_owned() }),
    })
}

/// The text of the file without its byte-order mark.
pub(crate) fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let signatures: [(&[u8], &'static str); 5] = [
        (b"PAR1", "Parquet"),
        (&[0x1F, 0x8B], "gzip"),
        (b"PK\x03\x04", "a ZIP archive"),
        (&[0xFF, 0xFE], "UTF-16 text"),
        (&[0xFE, 0xFF], "UTF-16 text"),
    ];
    if let Some((_, found)) = signatures.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Err(Error::UnreadableFormat { path: path.to_owned(), found });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        Error::Record { path: path.to_owned(), line, fault: Fault::Utf8 { column } }
    })
}
