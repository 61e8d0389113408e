//! Rows of CSV or TSV with a header.

use serde_json::{Map, Value};

use super::Row;
use crate::error::Fault;

pub(super) fn rows(text: &str, separator: u8) -> Result<Vec<Row>, (usize, Fault)> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| fault(&error))?.clone();
    let names: Vec<_> = header.iter().map(str::trim).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| fault(&error))?;
        let line = record.position().map_or(0, line_of);
        let cells = names.iter().zip(&record).map(|(name, cell)| ((*name).to_owned(), Value::from(cell)));
        let fields: Map<String, Value> = cells.collect();
        rows.push(Row { line, fields });
    }
    Ok(rows)
}

fn line_of(position: &csv::Position) -> usize {
    usize::try_from(position.line()).unwrap_or(usize::MAX)
}

fn fault(error: &csv::Error) -> (usize, Fault) {
    let line = error.position().map_or(1, line_of);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    (line, Fault::Csv { reason })
}
