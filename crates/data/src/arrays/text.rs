//! Lines of text into fields.

use super::{Fault, at};
use crate::error::{Result, io};
use std::borrow::Cow;
use std::path::Path;

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Sign(char),
    /// Two colons, as in MovieLens 1M.
    Colons,
    /// Any run of blanks.
    Blanks,
}

impl Separator {
    /// The one of a line; a comma may be part of a number where there is another sign.
    pub fn of(line: &str) -> Self {
        if line.contains("::") {
            return Self::Colons;
        }
        let sign = ['\t', ';', ','].into_iter().find(|sign| line.contains(*sign));
        sign.map_or(Self::Blanks, Self::Sign)
    }

    /// The fields of a line, without blanks and quotes around them; whether every quote that opens one is closed.
    pub fn split<'a>(self, line: &'a str, fields: &mut Vec<Cow<'a, str>>) -> bool {
        fields.clear();
        let sign = match self {
            Self::Sign(sign) => sign,
            Self::Colons => {
                fields.extend(line.split("::").map(bare));
                return true;
            }
            Self::Blanks => {
                fields.extend(line.split_whitespace().map(bare));
                // Quotes hold nothing together here: the field may have been meant to go on in the next line.
                return line.trim_start().strip_prefix('"').is_none_or(|rest| rest.contains('"'));
            }
        };
        // Between quotes the sign is part of the field; quotes open where a field begins, or again where doubled in it.
        let (mut from, mut begun, mut enclosed, mut quoted, mut last) = (0, false, false, false, sign);
        for (at, letter) in line.char_indices() {
            if letter == sign && !quoted {
                fields.push(bare(&line[from..at]));
                (from, begun, enclosed, last) = (at + letter.len_utf8(), false, false, letter);
                continue;
            }
            if letter == '"' {
                enclosed |= !begun;
                quoted = !quoted && (!begun || enclosed && last == '"');
            }
            begun |= letter != ' ';
            last = letter;
        }
        fields.push(bare(&line[from..]));
        !quoted
    }
}

/// A field without blanks around it and the quotes that enclose it, within which a quote is written as two (RFC 4180, 2.7).
fn bare(field: &str) -> Cow<'_, str> {
    let field = field.trim();
    match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) if inside.contains("\"\"") => inside.replace("\"\"", "\"").into(),
        inside => inside.unwrap_or(field).into(),
    }
}

/// What a reader makes of the text of a file; UTF-8, with or without a byte-order mark.
pub(super) fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Result<T> {
    let bytes = std::fs::read(path).map_err(io(path))?;
    parse(crate::read::utf8(path, &bytes)?).map_err(|fault| at(path, fault))
}

/// Whether a field of the first line may be the name of a column: no number, whatever sign stands before its decimals, and none that
/// is missing.
pub(super) fn is_name(field: &str) -> bool {
    const MISSING: [&str; 4] = ["na", "n/a", "null", "none"];
    let missing = MISSING.iter().any(|word| field.eq_ignore_ascii_case(word));
    !missing && field.replace(',', ".").parse::<f64>().is_err()
}

/// Lines that hold something, each with its number from 1; not those that are empty or begin with `comment`.
pub(super) fn lines(text: &str, comment: char) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().zip(1..).map(|(line, number)| (number, line));
    lines.filter(move |(_, line)| !line.trim().is_empty() && !line.starts_with(comment))
}

/// The place of the column that is numbered so, from 1, or named so. A number is one before it is a name.
pub(super) fn place(column: &str, count: usize, names: &[impl AsRef<str>]) -> Result<Option<usize>, Fault> {
    let column = column.trim();
    if let Ok(number) = column.parse::<usize>() {
        return Ok(number.checked_sub(1).filter(|&index| index < count));
    }
    let mut places = (1..).zip(names).filter(|&(_, name)| name.as_ref() == column).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(first), Some(second)) => Err(Fault::Twice { name: column.to_owned(), first, second }),
        (first, _) => Ok(first.map(|place: usize| place - 1)),
    }
}

/// The number in a field.
pub(super) fn number(field: &str, line: usize, column: usize) -> Result<f64, Fault> {
    field.parse().map_err(|_| Fault::Field { line, column, expected: "number", found: shortened(field) })
}

/// The start of a field: a file that is none of numbers may have long lines.
pub(super) fn shortened(field: &str) -> String {
    const MOST: usize = 40;
    match field.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}
