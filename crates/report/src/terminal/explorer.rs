//! Under the map of an explorer: what each column does down the rows, as a sparkline with its lowest and highest number.

use super::paint::{Paint, Tone};
use crate::plot::scale::drawable;
use crate::text::{columns, pad_left, pad_right, shorten, wrap};
use crate::{Heat, format, spark};

/// A sparkline of more letters is no longer seen as one shape.
const MOST_BLOCKS: usize = 64;

/// A sparkline of fewer letters says nothing.
const FEWEST_BLOCKS: usize = 6;

/// One line for each column; none where there are no rows to go down.
pub(super) fn trends(map: &Heat, width: usize, paint: Paint) -> Vec<String> {
    let (rows, across) = map.shape();
    if rows < 2 || across == 0 {
        return Vec::new();
    }
    let names: Vec<String> = (0..across).map(|column| shorten(&map.column_name(column), width / 3)).collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let values = |column| (0..rows).map(move |row| map.at(row, column)).collect::<Vec<f64>>();
    let ranges: Vec<String> = (0..across).map(|column| range(&values(column), map.value.log)).collect();
    let beside = ranges.iter().map(|range| columns(range)).max().unwrap_or(0) + 2;
    let free = width.saturating_sub(widest + 1);
    let (room, beside) = if free < FEWEST_BLOCKS + beside { (free, 0) } else { (free - beside, beside) };
    let head = if beside > 0 { "down the rows, lowest to highest:" } else { "down the rows:" };
    let mut lines: Vec<String> = wrap(head, width).iter().map(|line| paint.tone(Tone::Dim, line)).collect();
    for (column, (name, range)) in names.iter().zip(&ranges).enumerate() {
        let blocks = spark::blocks(&values(column), map.value.log, room.min(MOST_BLOCKS));
        let range = if beside > 0 { format!("  {}", pad_left(range, beside - 2)) } else { String::new() };
        let blocks = pad_right(&blocks, room.min(MOST_BLOCKS).min(rows));
        lines.push(format!("{} {}{range}", pad_left(name, widest), paint.tone(Tone::Cyan, &blocks)));
    }
    lines
}

fn range(values: &[f64], log: bool) -> String {
    let shown = || values.iter().copied().filter(|value| drawable(*value, log));
    match (shown().reduce(f64::min), shown().reduce(f64::max)) {
        (Some(low), Some(high)) => format!("{} to {}", format::number(low, 3), format::number(high, 3)),
        _ => "–".to_owned(),
    }
}
