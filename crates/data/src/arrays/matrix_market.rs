//! Matrix Market files: matrices of real numbers, whole or by their entries, general or symmetric.
//!
//! ```text
//! %%MatrixMarket matrix coordinate real general      %%MatrixMarket matrix array real symmetric
//! % remarks                                          rows columns
//! rows columns entries                               value          column after column; of a symmetric matrix the lower
//! row column value       from 1                      …              triangle only
//! ```
//!
//! Of a symmetric matrix both triangles are returned. Integers are taken as real numbers, and the entries of a pattern, which are
//! given by their places alone, as 1.

use super::text::{self, lines, number, shortened};
use super::{Array, Fault, Matrix, SIDE_LIMIT, Sparse, count};
use crate::error::Result;
use std::io::Write;
use std::path::Path;

/// Reads a matrix.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io); [`Error::Array`](crate::Error::Array) with the line of what is wrong.
pub fn read(path: &Path) -> Result<Matrix> {
    text::read(path, parse)
}

/// As [`read`], from text.
///
/// # Errors
/// [`Fault::Banner`], [`Fault::Field`], [`Fault::Fields`], [`Fault::Outside`], [`Fault::Entries`], [`Fault::Sides`], [`Fault::TooLarge`].
pub fn parse(text: &str) -> Result<Matrix, Fault> {
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<String> = first.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [
        "%%matrixmarket",
        "matrix",
        form @ ("coordinate" | "array"),
        field @ ("real" | "integer" | "pattern"),
        symmetry @ ("general" | "symmetric"),
    ] = words[..]
    else {
        return Err(Fault::Banner { found: shortened(first) });
    };
    let (symmetric, pattern) = (symmetry == "symmetric", field == "pattern");
    if pattern && form == "array" {
        return Err(Fault::Banner { found: shortened(first) });
    }
    let mut lines = lines(text, '%');
    let (line, sizes) = lines.next().ok_or(Fault::Empty)?;
    let sizes: Vec<&str> = sizes.split_whitespace().collect();
    let expected = if form == "array" { 2 } else { 3 };
    if sizes.len() != expected {
        return Err(Fault::Fields { line, expected, found: sizes.len() });
    }
    let size = |column: usize| whole(sizes[column], line, column + 1);
    let (rows, columns) = (size(0)?, size(1)?);
    if symmetric && rows != columns {
        return Err(Fault::Shape { found: vec![rows, columns], expected: "as many columns as rows" });
    }
    let shape = Shape { rows, columns, symmetric };
    if form == "array" {
        return shape.array(line, lines).map(Matrix::Dense);
    }
    if SIDE_LIMIT < rows.max(columns) {
        return Err(Fault::Sides { line, rows, columns, limit: SIDE_LIMIT });
    }
    let entries = shape.entries(lines, pattern)?;
    let (expected, found) = (size(2)?, entries.len());
    if found != expected {
        return Err(Fault::Entries { line, expected, found });
    }
    Ok(Matrix::Sparse(Sparse { rows, columns, entries: shape.mirrored(entries) }))
}

/// What the first lines say.
struct Shape {
    rows: usize,
    columns: usize,
    symmetric: bool,
}

impl Shape {
    /// The entries that the file has; row, column from 0, value.
    fn entries<'a>(
        &self,
        lines: impl Iterator<Item = (usize, &'a str)>,
        pattern: bool,
    ) -> Result<Vec<(usize, usize, f64)>, Fault> {
        let &Self { rows, columns, symmetric } = self;
        let mut entries = Vec::new();
        for (line, text) in lines {
            let mut fields = text.split_whitespace();
            let (row, column) = (fields.next(), fields.next());
            let value = if pattern { Some("1") } else { fields.next() };
            let (Some(row), Some(column), Some(value), None) = (row, column, value, fields.next()) else {
                let expected = if pattern { 2 } else { 3 };
                return Err(Fault::Fields { line, expected, found: text.split_whitespace().count() });
            };
            let (row, column, value) =
                (whole(row, line, 1)?, whole(column, line, 2)?, number(value, line, 3)?);
            let inside = (1..=rows).contains(&row) && (1..=columns).contains(&column);
            if !inside || (symmetric && row < column) {
                let kind = if symmetric { "the lower triangle of a" } else { "a" };
                let within = format!("{kind} {rows} by {columns} matrix");
                return Err(Fault::Outside { line, row, column, within });
            }
            entries.push((row - 1, column - 1, value));
        }
        Ok(entries)
    }

    /// The same with the other triangle of a symmetric matrix.
    fn mirrored(&self, mut entries: Vec<(usize, usize, f64)>) -> Vec<(usize, usize, f64)> {
        if self.symmetric {
            let below: Vec<_> = entries.iter().filter(|entry| entry.0 != entry.1).copied().collect();
            entries.extend(below.into_iter().map(|(row, column, value)| (column, row, value)));
        }
        entries
    }

    /// All entries; the file has those of every column, of a symmetric matrix from the diagonal on.
    fn array<'a>(
        &self,
        announced: usize,
        lines: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Array, Fault> {
        let &Self { rows, columns, symmetric } = self;
        let all = count(&[rows, columns])?;
        let expected = if symmetric { (all + rows) / 2 } else { all };
        let listed: Vec<f64> =
            lines.map(|(line, text)| number(text.trim(), line, 1)).collect::<Result<_, Fault>>()?;
        let found = listed.len();
        if found != expected {
            return Err(Fault::Entries { line: announced, expected, found });
        }
        let mut values = vec![0.0; all];
        let first = |column| if symmetric { column } else { 0 };
        let places = (0..columns).flat_map(|column| (first(column)..rows).map(move |row| (row, column)));
        for ((row, column), value) in places.zip(listed) {
            values[row * columns + column] = value;
            if symmetric {
                values[column * columns + row] = value;
            }
        }
        Ok(Array { shape: vec![rows, columns], values })
    }
}

/// The file of a matrix by its entries.
pub fn encode(matrix: &Sparse) -> Vec<u8> {
    let &Sparse { rows, columns, ref entries } = matrix;
    let mut text = Vec::new();
    // Writing to bytes in memory does not fail.
    let _ = begin(&mut text, (rows, columns), entries.len());
    entries.iter().for_each(|&entry| {
        let _ = write_entry(&mut text, entry);
    });
    text
}

/// Writes what stands before the entries of a matrix of this shape, of which there are `count`.
///
/// # Errors
/// Those of the target.
pub fn begin(target: &mut impl Write, (rows, columns): (usize, usize), count: usize) -> std::io::Result<()> {
    writeln!(target, "%%MatrixMarket matrix coordinate real general\n{rows} {columns} {count}")
}

/// Writes an entry: row and column, from 0, and value.
///
/// # Errors
/// Those of the target.
pub fn write_entry(
    target: &mut impl Write,
    (row, column, value): (usize, usize, f64),
) -> std::io::Result<()> {
    writeln!(target, "{} {} {value:?}", row + 1, column + 1)
}

/// The whole number in a field.
fn whole(field: &str, line: usize, column: usize) -> Result<usize, Fault> {
    let fault = |_| Fault::Field { line, column, expected: "whole number", found: shortened(field) };
    field.parse().map_err(fault)
}
