//! Rows of a JSON array or of JSON lines.
//!
//! An array is read element by element, so that each has the line where it begins; so is a fault.

use serde_json::{Deserializer, Value};

use super::{Row, field};
use crate::error::Fault;

/// A fault and its line.
type Located<T> = Result<T, (usize, Fault)>;

pub(super) fn rows(text: &str) -> Located<Vec<Row>> {
    if text.trim_start().starts_with('[') { array(text) } else { lines(text) }
}

fn lines(text: &str) -> Located<Vec<Row>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            row(index + 1, serde_json::from_str(line).map_err(|error| fault(index + 1, &error))?)
        })
        .collect()
}

fn row(line: usize, value: Value) -> Located<Row> {
    match value {
        Value::Object(fields) => Ok(Row { line, fields }),
        other => Err((line, Fault::NotAnObject { expected: "an object", found: field::kind(&other) })),
    }
}

/// The fault of a text that begins at `line`.
fn fault(line: usize, error: &serde_json::Error) -> (usize, Fault) {
    let reason = error.to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason).to_owned();
    (line + error.line().saturating_sub(1), Fault::Json { column: error.column(), reason })
}

/// A place in the text, and its line.
struct Cursor<'a> {
    rest: &'a str,
    line: usize,
    /// Bytes since the last line break.
    column: usize,
}

impl Cursor<'_> {
    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.column = match passed.rsplit_once('\n') {
            Some((_, last)) => last.len(),
            None => self.column + passed.len(),
        };
        self.rest = rest;
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.advance(blanks);
    }

    /// Takes this character if it comes next.
    fn take(&mut self, character: char) -> bool {
        self.skip_blanks();
        let found = self.rest.starts_with(character);
        if found {
            self.advance(character.len_utf8());
        }
        found
    }

    fn fault(&self, expected: &str) -> (usize, Fault) {
        let found =
            self.rest.chars().next().map_or("the end of the file".into(), |found| format!("`{found}`"));
        (
            self.line,
            Fault::Json { column: self.column + 1, reason: format!("expected {expected}, found {found}") },
        )
    }
}

fn array(text: &str) -> Located<Vec<Row>> {
    let mut cursor = Cursor { rest: text, line: 1, column: 0 };
    let mut rows = Vec::new();
    cursor.take('[');
    if !cursor.take(']') {
        loop {
            cursor.skip_blanks();
            rows.push(element(&mut cursor)?);
            if cursor.take(']') {
                break;
            }
            if !cursor.take(',') {
                return Err(cursor.fault("`,` or `]`"));
            }
        }
    }
    cursor.skip_blanks();
    if cursor.rest.is_empty() { Ok(rows) } else { Err(cursor.fault("the end of the file")) }
}

fn element(cursor: &mut Cursor) -> Located<Row> {
    let mut values = Deserializer::from_str(cursor.rest).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => {
            let (line, mut found) = fault(cursor.line, &error);
            if let Fault::Json { column, .. } = &mut found
                && error.line() <= 1
            {
                *column += cursor.column;
            }
            return Err((line, found));
        }
        None => return Err(cursor.fault("an object")),
    };
    let row = row(cursor.line, value)?;
    let passed = values.byte_offset();
    cursor.advance(passed);
    Ok(row)
}
