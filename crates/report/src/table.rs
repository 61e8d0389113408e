//! Tables: named columns, and cells that keep their numbers.

use serde_json::Value;

use crate::{format, spark, text};

/// A sparkline is shown in at most so many letters.
const MOST_BLOCKS: usize = 24;

/// Rows under named columns. A short row is filled up with [`Cell::Missing`]; a long one gets columns without a name. Columns in
/// which everything is missing are in JSON only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What the table shows.
    pub caption: Option<String>,
    /// The columns, left to right.
    pub columns: Vec<Column>,
    /// The rows, top to bottom.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// What stands in it.
    pub name: String,
    /// Numbers to the right, words to the left.
    pub align: Align,
    /// The unit of its numbers, where the cells do not say it.
    pub unit: Option<String>,
}

/// The side that the cells of a column keep to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// For words.
    #[default]
    Left,
    /// For numbers.
    Right,
}

/// One value: shown in words, kept as a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number shown to some significant digits.
    Number {
        /// The number; one that is not finite is shown as `NaN` or `∞` and is `null` in JSON.
        value: f64,
        /// Significant digits.
        digits: usize,
    },
    /// A number shown with a fixed count of digits after the point, so that a column lines up.
    Fixed {
        /// The number.
        value: f64,
        /// Digits after the point.
        decimals: usize,
    },
    /// How many.
    Count(u64),
    /// A share of one, shown as a percentage.
    Percent(f64),
    /// A size in bytes.
    Bytes(u64),
    /// A span of time in seconds.
    Seconds(f64),
    /// What the true value is not below, shown as `≥ 64`; sorted by, and in JSON, as what it holds.
    AtLeast(Box<Cell>),
    /// What the true value is not above, shown as `≤ 1.2`; likewise.
    AtMost(Box<Cell>),
    /// Numbers in their order, shown as a small line; best in a column of numbers, whose cells are never wrapped.
    Spark(Vec<f64>),
    /// Nothing was measured.
    Missing,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { caption: None, columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// The same table with a caption.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// Columns that are shown: the named ones, and those that a long row needs.
    pub(crate) fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0).max(self.columns.len())
    }

    /// The head of column `index`, its unit in parentheses.
    pub(crate) fn head(&self, index: usize) -> String {
        match self.columns.get(index) {
            Some(Column { name, unit: Some(unit), .. }) => text::clean_line(&format!("{name} ({unit})")),
            Some(column) => text::clean_line(&column.name),
            None => String::new(),
        }
    }

    pub(crate) fn align(&self, index: usize) -> Align {
        self.columns.get(index).map(|column| column.align).unwrap_or_default()
    }

    /// The table without the columns of which no row has a value: what people are shown. One without rows keeps its heads, and
    /// where nothing at all was measured nothing is left out.
    pub(crate) fn measured(&self) -> Self {
        let columns: Vec<usize> = (0..self.width()).collect();
        let has_value =
            |&column: &usize| (0..self.rows.len()).any(|row| *self.cell(row, column) != Cell::Missing);
        let kept: Vec<usize> = columns.into_iter().filter(has_value).collect();
        if kept.is_empty() || kept.len() == self.width() {
            return self.clone();
        }
        let column = |&at: &usize| self.columns.get(at).cloned().unwrap_or_default();
        let cells = |row: usize| kept.iter().map(|&column| self.cell(row, column).clone()).collect();
        Self {
            caption: self.caption.clone(),
            columns: kept.iter().map(column).collect(),
            rows: (0..self.rows.len()).map(cells).collect(),
        }
    }

    /// The value at a place.
    pub(crate) fn cell(&self, row: usize, column: usize) -> &Cell {
        self.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(&Cell::Missing)
    }

    /// What is shown at a place, on one line.
    pub(crate) fn shown(&self, row: usize, column: usize) -> String {
        self.cell(row, column).shown()
    }
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::Left, unit: None }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::Right, unit: None }
    }

    /// The same column with a unit in its head.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number to `digits` significant digits.
    pub fn number(value: impl Into<f64>, digits: usize) -> Self {
        Self::Number { value: value.into(), digits }
    }

    /// A number with `decimals` digits after the point.
    pub fn fixed(value: impl Into<f64>, decimals: usize) -> Self {
        Self::Fixed { value: value.into(), decimals }
    }

    /// The value as people read it, on one line.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(words) => text::clean_line(words),
            Self::Number { value, digits } => format::number(*value, *digits),
            Self::Fixed { value, decimals } => format::fixed(*value, *decimals),
            Self::Count(value) => format::count(*value),
            Self::Percent(share) => format::percent(*share),
            Self::Bytes(size) => format::bytes(*size),
            Self::Seconds(seconds) => format::duration(*seconds),
            Self::AtLeast(value) => format!("≥ {}", value.shown()),
            Self::AtMost(value) => format!("≤ {}", value.shown()),
            Self::Spark(values) if !values.is_empty() => spark::blocks(values, false, MOST_BLOCKS),
            Self::Spark(_) | Self::Missing => "–".to_owned(),
        }
    }

    /// The value as programs read it; not finite is `null`.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Text(words) => words.as_str().into(),
            Self::Number { value, .. }
            | Self::Fixed { value, .. }
            | Self::Percent(value)
            | Self::Seconds(value) => (*value).into(),
            Self::Count(value) | Self::Bytes(value) => (*value).into(),
            Self::AtLeast(value) | Self::AtMost(value) => value.json(),
            Self::Spark(values) => values.as_slice().into(),
            Self::Missing => Value::Null,
        }
    }

    /// The number that a table is sorted by, as a program writes it: empty where there is none; `None` for what is no number.
    pub(crate) fn key(&self) -> Option<String> {
        if let Self::AtLeast(value) | Self::AtMost(value) = self {
            return value.key();
        }
        if matches!(self, Self::Text(_) | Self::Spark(_)) {
            return None;
        }
        let json = self.json();
        Some(match self.shown() {
            _ if !json.is_null() => json.to_string(),
            endless if endless.starts_with('∞') => "Infinity".to_owned(),
            endless if endless.starts_with("-∞") => "-Infinity".to_owned(),
            _ => String::new(),
        })
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

/// Four significant digits: enough to compare losses.
impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number { value, digits: 4 }
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Count(value)
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Count(value as u64)
    }
}

/// `None` is [`Cell::Missing`].
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_words_for_people_and_numbers_for_programs() {
        let cases = [
            (Cell::text("a\u{1b}b"), "a�b", Value::from("a\u{1b}b")),
            (Cell::number(2.935_61, 4), "2.936", Value::from(2.935_61)),
            (Cell::fixed(2.0, 4), "2.0000", Value::from(2.0)),
            (Cell::Count(12_345), "12,345", Value::from(12_345)),
            (Cell::Percent(0.125), "12.5 %", Value::from(0.125)),
            (Cell::Bytes(98_300_000), "98.3 MB", Value::from(98_300_000)),
            (Cell::Seconds(3725.0), "1 h 02 min", Value::from(3725.0)),
            (Cell::AtLeast(Box::new(Cell::Count(64))), "≥ 64", Value::from(64)),
            (Cell::AtMost(Box::new(Cell::number(1.25, 4))), "≤ 1.25", Value::from(1.25)),
            (Cell::Spark(vec![0.0, 1.0]), "▁█", serde_json::json!([0.0, 1.0])),
            (Cell::Spark(vec![0.0, f64::NAN]), "▅·", serde_json::json!([0.0, null])),
            (Cell::Spark(Vec::new()), "–", serde_json::json!([])),
            (Cell::Missing, "–", Value::Null),
            (Cell::from(f64::NAN), "NaN", Value::Null),
            (Cell::from(None::<f64>), "–", Value::Null),
        ];
        for (cell, shown, json) in cases {
            assert_eq!((cell.shown().as_str(), cell.json()), (shown, json));
        }
    }

    #[test]
    fn tables_are_sorted_by_the_numbers_behind_the_words() {
        let key = |cell: Cell| cell.key();
        assert_eq!(key(Cell::Bytes(98_300_000)).as_deref(), Some("98300000"));
        assert_eq!(key(Cell::number(2.935_61, 2)).as_deref(), Some("2.93561"));
        assert_eq!(key(Cell::Percent(f64::NEG_INFINITY)).as_deref(), Some("-Infinity"));
        assert_eq!(key(Cell::from(f64::INFINITY)).as_deref(), Some("Infinity"));
        assert_eq!(key(Cell::AtLeast(Box::new(Cell::Count(64)))).as_deref(), Some("64"));
        assert_eq!(key(Cell::AtMost(Box::new(Cell::from(f64::INFINITY)))).as_deref(), Some("Infinity"));
        assert_eq!(key(Cell::from(f64::NAN)).as_deref(), Some(""));
        assert_eq!(key(Cell::Missing).as_deref(), Some(""));
        assert_eq!((key(Cell::text("12")), key(Cell::Spark(vec![1.0]))), (None, None));
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let mut table = Table::new(["a", "b", "c"].map(Column::number)).caption("t");
        assert_eq!(table.measured(), table, "heads alone stay");
        table.row([Cell::Count(1), Cell::Missing]).row([Cell::Missing, Cell::Missing, Cell::Count(2)]);
        let shown = table.measured();
        assert_eq!((shown.width(), shown.head(0), shown.head(1)), (2, "a".to_owned(), "c".to_owned()));
        assert_eq!(
            (shown.shown(0, 0), shown.shown(0, 1), shown.shown(1, 1)),
            ("1".to_owned(), "–".to_owned(), "2".to_owned())
        );
        assert_eq!(shown.caption.as_deref(), Some("t"));
        let mut nothing = Table::new([Column::number("a")]);
        nothing.row([Cell::Missing]);
        assert_eq!(nothing.measured(), nothing);
        let mut page = crate::Page::new("t");
        page.table(table);
        let (terminal, html, markdown) = (page.terminal(80, false), page.html(), page.markdown("t").text);
        assert!(terminal.contains("a   c\n") && markdown.contains("| a | c |"), "{terminal}{markdown}");
        assert!(html.contains("class=\"number\">a<") && !html.contains("class=\"number\">b<"));
        assert_eq!(page.json()["sections"][0]["blocks"][0]["columns"][1]["name"], "b");
    }

    #[test]
    fn ragged_rows_are_filled_up_not_cut() {
        let mut table = Table::new([Column::number("a").unit("s")]);
        table.row([]).row([Cell::from("x"), Cell::from("y")]);
        assert_eq!((table.width(), table.head(0), table.head(1)), (2, "a (s)".to_owned(), String::new()));
        assert_eq!((table.shown(0, 0), table.shown(1, 1)), ("–".to_owned(), "y".to_owned()));
        assert_eq!((table.align(0), table.align(1)), (Align::Right, Align::Left));
    }
}
