//! Tables: numbers to the right in figures of equal width; a wide table scrolls inside the page, and so does a long one,
//! under its head. Cells carry the number behind their words, for the script that sorts.

use super::markup::Markup;
use crate::{Align, Cell, Table, svg, text};

/// Letters from which on words are given room before they wrap.
const LONG: usize = 28;

/// Rows from which on a table scrolls by itself and can be filtered.
const MANY_ROWS: usize = 21;

pub(super) fn show(out: &mut Markup, table: &Table) {
    let table = &table.measured();
    let caption = table.caption.as_deref();
    let label = caption.unwrap_or("Table");
    let frame = if table.rows.len() < MANY_ROWS { "scroll" } else { "scroll tall" };
    out.open("div", &[("class", frame), ("tabindex", "0"), ("role", "group"), ("aria-label", label)]);
    out.open("table", &[]);
    if let Some(caption) = caption {
        out.element("caption", &[], caption);
    }
    let classes: Vec<&str> = (0..table.width()).map(|column| class(table, column)).collect();
    out.open("thead", &[]).open("tr", &[]);
    for (column, class) in classes.iter().enumerate() {
        head(out, table, column, class);
    }
    out.close().close().open("tbody", &[]);
    for row in 0..table.rows.len() {
        out.open("tr", &[]);
        for (column, class) in classes.iter().enumerate() {
            cell(out, table.cell(row, column), class);
        }
        out.close();
    }
    out.close().close().close();
}

fn head(out: &mut Markup, table: &Table, column: usize, class: &str) {
    out.open("th", &[("scope", "col"), ("class", class)]);
    if let Some(head) = table.columns.get(column) {
        out.text(&head.name);
        if let Some(unit) = &head.unit {
            out.text(" ").element("span", &[("class", "unit")], unit);
        }
    }
    out.close();
}

fn cell(out: &mut Markup, cell: &Cell, class: &str) {
    match cell.key() {
        Some(key) => out.open("td", &[("class", class), ("data-value", &key)]),
        None => out.open("td", &[("class", class)]),
    };
    value(out, cell);
    out.close();
}

/// What a cell shows: a drawing, or words.
pub(super) fn value(out: &mut Markup, cell: &Cell) {
    match cell {
        Cell::Spark(values) if !values.is_empty() => svg::spark(out, values),
        _ => {
            out.text(&cell.shown());
        }
    }
}

fn class(table: &Table, column: usize) -> &'static str {
    let long = || (0..table.rows.len()).any(|row| text::columns(&table.shown(row, column)) > LONG);
    match table.align(column) {
        Align::Left if long() => "words long",
        Align::Left => "words",
        Align::Right => "number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn html(table: &Table) -> String {
        let mut out = Markup::new();
        show(&mut out, table);
        out.finish()
    }

    #[test]
    fn numbers_stand_to_the_right_and_gaps_are_shown() {
        let mut table =
            Table::new([Column::text("Layer"), Column::number("Loss").unit("nats")]).caption("Losses");
        table.row([Cell::text("a"), Cell::fixed(2.5, 3)]).row([Cell::text("b")]);
        let html = html(&table);
        assert!(html.contains("<div class=\"scroll\"") && html.contains("<caption>Losses</caption>"));
        assert!(
            html.contains("<th scope=\"col\" class=\"number\">Loss <span class=\"unit\">nats</span></th>")
        );
        assert!(
            html.contains("<td class=\"words\">a</td><td class=\"number\" data-value=\"2.5\">2.500</td>")
        );
        assert!(html.contains("<td class=\"number\" data-value=\"\">–</td>"));
    }

    #[test]
    fn long_tables_scroll_under_their_head_and_series_are_drawn() {
        let mut table = Table::new([Column::number("Spectrum")]);
        table.rows = vec![vec![Cell::Spark(vec![2.0, 1.0])]; MANY_ROWS];
        let html = html(&table);
        assert!(html.contains("<div class=\"scroll tall\""));
        assert_eq!(html.matches("<td class=\"number\"><svg class=\"spark\"").count(), MANY_ROWS);
    }
}
