//! Tables of numbers as text: fields between commas, semicolons, tabs or blanks, with or without a line of names.
//!
//! Lines that begin with `#` are remarks, as `numpy.savetxt` writes them. A first line without any number holds the names of
//! the columns; where the first of them has none, it is that of the names of rows, as R and pandas write them, and left out. `nan` and
//! `inf` are numbers.

use super::text::{self, Separator, lines, number};
use super::{Array, Fault};
use crate::error::Result;
use std::io::Write;
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
    /// The place of the column that is numbered so, from 1, or named so; names of rows do not count.
    ///
    /// # Errors
    /// [`Fault::Twice`].
    pub fn column(&self, column: &str) -> Result<Option<usize>, Fault> {
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
/// [`Fault::Field`], [`Fault::Fields`], [`Fault::Quote`], [`Fault::Empty`].
pub fn parse(text: &str) -> Result<Table, Fault> {
    let mut lines = lines(text, '#').peekable();
    let separator = lines.peek().map_or(Separator::Blanks, |(_, line)| Separator::of(line));
    let (mut names, mut fields, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new(), 0);
    if let Some(&(line, first)) = lines.peek() {
        if !separator.split(first, &mut fields) {
            return Err(Fault::Quote { line });
        }
        if fields.iter().all(|field| text::is_name(field)) {
            names = fields.iter().map(ToString::to_string).collect();
            lines.next();
        }
    }
    let columns = fields.len();
    // Names of rows have none themselves.
    let skipped = usize::from(names.first().is_some_and(String::is_empty) && 1 < columns);
    names.drain(..skipped);
    for (line, text) in lines {
        if !separator.split(text, &mut fields) {
            return Err(Fault::Quote { line });
        }
        if fields.len() != columns {
            return Err(Fault::Fields { line, expected: columns, found: fields.len() });
        }
        for (field, column) in fields.iter().zip(1..).skip(skipped) {
            values.push(number(field, line, column)?);
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(Fault::Empty);
    }
    Ok(Table { names, array: Array { shape: vec![rows, columns - skipped], values } })
}

/// The text of a matrix, every number so that it is read back as it was; a vector is one column. Without `names` it has no
/// first line.
pub fn encode(names: &[&str], array: &Array) -> Vec<u8> {
    let mut text = names.join(",").into_bytes();
    if !names.is_empty() {
        text.push(b'\n');
    }
    // Writing to bytes in memory does not fail.
    let _ = write(&mut text, array.shape.iter().skip(1).product(), array.values.iter().copied());
    text
}

/// Writes the text of a matrix of so many columns, of which `values` are the numbers, row after row.
///
/// # Errors
/// Those of the target.
pub fn write(
    target: &mut impl Write,
    columns: usize,
    values: impl Iterator<Item = f64>,
) -> std::io::Result<()> {
    for (value, place) in values.zip(1_usize..) {
        let end = if place.is_multiple_of(columns.max(1)) { '\n' } else { ',' };
        write!(target, "{value:?}{end}")?;
    }
    Ok(())
}
