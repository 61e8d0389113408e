//! Tables of a terminal: words may wrap, numbers never do; where that does not fit, each row becomes a list.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};

use super::paint::{Paint, Tone};
use crate::text::{columns, pad_right, wrap};
use crate::{Align, Table};

/// Blanks between columns; one of them is the separator that the library always draws.
const BETWEEN: usize = 3;

/// Words up to this width are names, which read badly when they are broken.
const NAME: usize = 44;

/// A column of words is not squeezed below this.
const NARROWEST_WORDS: usize = 10;

pub(super) fn show(table: &Table, width: usize, paint: Paint) -> Vec<String> {
    let table = &table.measured();
    let mut lines: Vec<String> = Vec::new();
    if let Some(caption) = &table.caption {
        lines.extend(
            wrap(&crate::text::clean_line(caption), width).iter().map(|line| paint.tone(Tone::Bold, line)),
        );
    }
    let least: usize = (0..table.width()).map(|column| least_width(table, column) + BETWEEN).sum();
    if table.width() == 0 {
        return lines;
    }
    if least > width + BETWEEN {
        lines.extend(records(table, width, paint))
    } else {
        lines.extend(grid(table, width, paint))
    }
    lines
}

fn widest(table: &Table, column: usize) -> usize {
    let cells = (0..table.rows.len()).map(|row| columns(&table.shown(row, column)));
    cells.max().unwrap_or(0)
}

fn least_width(table: &Table, column: usize) -> usize {
    let least = match table.align(column) {
        Align::Right => widest(table, column).max(longest_word(&table.head(column))),
        Align::Left => widest(table, column).max(columns(&table.head(column))).min(NARROWEST_WORDS),
    };
    least.max(1)
}

/// Columns share what is left over: names first, then longer words, the narrowest first, then the heads over numbers.
fn widths(table: &Table, width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = (0..table.width()).map(|column| least_width(table, column)).collect();
    let wanted: Vec<usize> =
        (0..table.width()).map(|column| widest(table, column).max(columns(&table.head(column)))).collect();
    let taken = widths.iter().sum::<usize>() + BETWEEN * (widths.len() - 1);
    for _ in taken..width {
        let hungry = (0..widths.len()).filter(|column| widths[*column] < wanted[*column]);
        match hungry.min_by_key(|column| {
            (table.align(*column) == Align::Right, wanted[*column] > NAME, widths[*column])
        }) {
            Some(column) => widths[column] += 1,
            None => break,
        }
    }
    widths
}

fn longest_word(words: &str) -> usize {
    words.split_whitespace().map(columns).max().unwrap_or(0)
}

fn grid(table: &Table, width: usize, paint: Paint) -> Vec<String> {
    let mut grid = comfy_table::Table::new();
    grid.load_style(style());
    grid.set_content_arrangement(ContentArrangement::Dynamic);
    grid.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    let head = |column| comfy_table::Cell::new(table.head(column));
    grid.set_header((0..table.width()).map(head));
    for row in 0..table.rows.len() {
        grid.add_row((0..table.width()).map(|column| comfy_table::Cell::new(table.shown(row, column))));
    }
    for (column, inner) in widths(table, width).into_iter().enumerate() {
        let after = if column + 1 < table.width() { BETWEEN - 1 } else { 0 };
        let total = u16::try_from(inner + after).unwrap_or(u16::MAX);
        if let Some(shown) = grid.column_mut(column) {
            shown.set_padding((0, after as u16));
            shown.set_constraint(ColumnConstraint::Absolute(Width::Fixed(total)));
            if table.align(column) == Align::Right {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    // The head reaches down to the first rule.
    let rule = lines.iter().position(|line| line.starts_with('─')).unwrap_or(0);
    for line in &mut lines[..rule] {
        *line = paint.tone(Tone::Bold, line);
    }
    lines
}

/// Rules under the head and under the last row, nothing else: numbers are read down the columns.
fn style() -> TableStyle {
    let rule = LineStyle::none().fill('─').junction('─');
    TableStyle::new().header_separator(rule).bottom_border(rule)
}

/// `Head  value` for every cell, rows apart.
fn records(table: &Table, width: usize, paint: Paint) -> Vec<String> {
    let heads: Vec<String> = (0..table.width()).map(|column| table.head(column)).collect();
    let beside = heads.iter().map(|head| columns(head)).max().unwrap_or(0).min(width / 2);
    let mut lines = Vec::new();
    for row in 0..table.rows.len() {
        if row > 0 {
            lines.push(String::new());
        }
        for (column, head) in heads.iter().enumerate() {
            let label = crate::text::shorten(head, beside);
            let label = paint.tone(Tone::Dim, &pad_right(&label, beside));
            let values = wrap(&table.shown(row, column), width.saturating_sub(beside + 2));
            for (index, value) in values.into_iter().enumerate() {
                let label = if index == 0 { label.clone() } else { " ".repeat(beside) };
                lines.push(format!("{label}  {value}"));
            }
        }
    }
    lines
}
