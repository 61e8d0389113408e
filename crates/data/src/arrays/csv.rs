//! Tables of numbers as text: fields between commas, semicolons, tabs or blanks, with or without a line of names.
//!
//! Lines that begin with `#` are remarks, as `numpy.savetxt` writes them. A first line without any number holds the names of
//! the columns. `nan` and `inf` are numbers.

use super::text::{self, Separator, lines, number};
use super::{Array, Fault};
use crate::error::Result;
use std::fmt::Write as _;
use std::path::Path;

/// Numbers with the names of their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns; empty where the file has none.
    pub names: Vec<String>,
    /// The numbers; [rows, columns].
    pub array: Array,
}

impl Table {
    /// The place of the column that is numbered so, from 1, or named so.
    pub fn column(&self, column: &str) -> Option<usize> {
        text::place(column, self.array.shape[1], &self.names)
    }
}

/// Reads a table.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io); [`Error::Array`](crate::Error::Array) with the line and the column of what is wrong.
pub fn read(path: &Path) -> Result<Table> {
    text::read(path, parse)
}

/// As [`read`], from text.
///
/// # Errors
/// [`Fault::Field`], [`Fault::Fields`], [`Fault::Empty`].
pub fn parse(text: &str) -> Result<Table, Fault> {
    let mut lines = lines(text, '#').peekable();
    let separator = lines.peek().map_or(Separator::Blanks, |(_, line)| Separator::of(line));
    let (mut names, mut fields, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new(), 0);
    if let Some((_, first)) = lines.peek() {
        separator.split(first, &mut fields);
        if fields.iter().all(|field| field.parse::<f64>().is_err()) {
            names = fields.iter().map(ToString::to_string).collect();
            lines.next();
        }
    }
    let columns = fields.len();
    for (line, text) in lines {
        separator.split(text, &mut fields);
        if fields.len() != columns {
            return Err(Fault::Fields { line, expected: columns, found: fields.len() });
        }
        for (field, column) in fields.iter().zip(1..) {
            values.push(number(field, line, column)?);
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(Fault::Empty);
    }
    Ok(Table { names, array: Array { shape: vec![rows, columns], values } })
}

/// The text of a matrix, every number so that it is read back as it was; a vector is one column. Without `names` it has no
/// first line.
pub fn encode(names: &[&str], array: &Array) -> Vec<u8> {
    let columns: usize = array.shape.iter().skip(1).product();
    let mut text = names.join(",");
    if !names.is_empty() {
        text.push('\n');
    }
    for row in array.values.chunks(columns.max(1)) {
        for (column, value) in row.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{value:?}", if column == 0 { "" } else { "," });
        }
        text.push('\n');
    }
    text.into_bytes()
}
