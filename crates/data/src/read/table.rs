//! Rows of CSV or TSV with a header.

use serde_json::{Map, Value};

use super::Row;
use crate::error::Fault;

pub(super) fn rows(text: &str, separator: u8) -> Result<Vec<Row>, (usize, Fault)> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| fault(&error, |_| 1))?.clone();
    let names: Vec<_> = header.iter().map(str::trim).collect();
    if let Some((at, name)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        let reason = format!("column {} has the name `{name}` a second time", at + 1);
        return Err((1, Fault::Csv { reason }));
    }
    let (mut rows, mut last) = (Vec::new(), 0);
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(|error| fault(&error, |position| lines.of(position)))?;
        let line = record.position().map_or(0, |position| lines.of(position));
        let cells = names.iter().zip(&record).map(|(name, cell)| ((*name).to_owned(), Value::from(cell)));
        let fields: Map<String, Value> = cells.collect();
        rows.push(Row { line, fields });
        last = record.position().map_or(0, |position| position.byte());
    }
    let rest = usize::try_from(last).ok().and_then(|last| text.get(last..)).unwrap_or_default();
    match rows.last() {
        // An open quote ends with the text: what followed became one cell.
        Some(row) if rest.matches('"').count() % 2 == 1 && rest.trim().contains('\n') => {
            let reason = "a quote is opened in this row and never closed".to_owned();
            Err((row.line, Fault::Csv { reason }))
        }
        _ => Ok(rows),
    }
}

/// Counts lines up to where records begin. The position that the reader gives lies before the line ends, and the empty
/// lines, that precede a record.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, position: &csv::Position) -> usize {
        let start = usize::try_from(position.byte()).unwrap_or(usize::MAX).min(self.text.len());
        let ends = self.text[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.text.get(self.at..start + ends).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = self.at.max(start + ends);
        self.line
    }
}

fn fault(error: &csv::Error, line_of: impl FnOnce(&csv::Position) -> usize) -> (usize, Fault) {
    let line = error.position().map_or(1, line_of);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    (line, Fault::Csv { reason })
}
