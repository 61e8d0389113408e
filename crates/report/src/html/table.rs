//! Tables: numbers to the right in figures of equal width; a wide table scrolls inside the page.

use super::markup::Markup;
use crate::{Align, Table, text};

/// Letters from which on words are given room before they wrap.
const LONG: usize = 28;

pub(super) fn show(out: &mut Markup, table: &Table) {
    let caption = table.caption.as_deref();
    let label = caption.unwrap_or("Table");
    out.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "group"), ("aria-label", label)]);
    out.open("table", &[]);
    if let Some(caption) = caption {
        out.element("caption", &[], caption);
    }
    let classes: Vec<&str> = (0..table.width()).map(|column| class(table, column)).collect();
    out.open("thead", &[]).open("tr", &[]);
    for (column, class) in classes.iter().enumerate() {
        out.open("th", &[("scope", "col"), ("class", *class)]);
        match table.columns.get(column) {
            Some(head) => {
                out.text(&head.name);
                if let Some(unit) = &head.unit {
                    out.text(" ").element("span", &[("class", "unit")], unit);
                }
            }
            None => {
                out.text("");
            }
        }
        out.close();
    }
    out.close().close().open("tbody", &[]);
    for row in 0..table.rows.len() {
        out.open("tr", &[]);
        for (column, class) in classes.iter().enumerate() {
            out.element("td", &[("class", *class)], &table.shown(row, column));
        }
        out.close();
    }
    out.close().close().close();
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
    use crate::{Cell, Column};

    #[test]
    fn numbers_stand_to_the_right_and_gaps_are_shown() {
        let mut table =
            Table::new([Column::text("Layer"), Column::number("Loss").unit("nats")]).caption("Losses");
        table.row([Cell::text("a"), Cell::fixed(2.5, 3)]).row([Cell::text("b")]);
        let mut out = Markup::new();
        show(&mut out, &table);
        let html = out.finish();
        assert!(html.contains("<caption>Losses</caption>"));
        assert!(
            html.contains("<th scope=\"col\" class=\"number\">Loss <span class=\"unit\">nats</span></th>")
        );
        assert!(
            html.contains("<td class=\"number\">2.500</td>") && html.contains("<td class=\"number\">–</td>")
        );
    }
}
