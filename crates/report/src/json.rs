//! The face for programs.
//!
//!     {"schema": "rankine.page.1", "title", "lead" | null, "sections": [{"heading" | null, "blocks": [block]}]}
//!     block = {"kind": "text" | "code", "text"} | {"kind": "note", "level", "text"}
//!           | {"kind": "facts", "facts": [{"label", "value", "shown"}]}
//!           | {"kind": "table", "caption", "columns": [{"name", "align", "unit"}], "rows": [[value]]}
//!           | {"kind": "lines", "title", "x", "y", "smoothing", "series": [{"name", "style", "points": [[x, y]]}]}
//!           | {"kind": "bars", "title", "axis", "categories", "groups": [{"name", "values"}]}
//!           | {"kind": "heat", "title", "value", "rows", "columns", "values": [[value]]}
//!           | {"kind": "explorer", "title", "rows", "columns", "labels", "metrics": [{"name", "scale", "values": [value]}],
//!              "spectra": [[value] | null], "spectrum_axes": [axis, axis]}
//!     axis  = {"label", "scale": "linear" | "log"}
//!
//! Numbers are never rounded; one that is not finite is `null`. Texts are as they were given.

use serde_json::{Value, json};

use crate::{Align, Axis, Bars, Block, Column, Explorer, Heat, Lines, Page, Plot, Series, Style, Table};

impl Page {
    /// The page as JSON: `{"schema", "title", "lead", "sections"}`, numbers finite or `null`.
    pub fn json(&self) -> Value {
        let section = |section: &crate::Section| {
            let blocks: Vec<Value> = section.blocks.iter().map(block).collect();
            json!({ "heading": section.heading, "blocks": blocks })
        };
        let sections: Vec<Value> = self.sections.iter().map(section).collect();
        json!({ "schema": "rankine.page.1", "title": self.title, "lead": self.lead, "sections": sections })
    }
}

fn block(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({ "kind": "text", "text": text }),
        Block::Code(text) => json!({ "kind": "code", "text": text }),
        Block::Note(level, text) => json!({ "kind": "note", "level": level.word(), "text": text }),
        Block::Facts(facts) => {
            let fact = |(label, value): &(String, crate::Cell)| json!({ "label": label, "value": value.json(), "shown": value.shown() });
            json!({ "kind": "facts", "facts": facts.iter().map(fact).collect::<Vec<_>>() })
        }
        Block::Table(content) => table(content),
        Block::Plot(Plot::Lines(content)) => lines(content),
        Block::Plot(Plot::Bars(content)) => bars(content),
        Block::Plot(Plot::Heat(content)) => heat(content),
        Block::Explorer(content) => explorer(content),
    }
}

fn table(table: &Table) -> Value {
    let column = |column: &Column| {
        let align = match column.align {
            Align::Left => "left",
            Align::Right => "right",
        };
        json!({ "name": column.name, "align": align, "unit": column.unit })
    };
    let columns: Vec<Value> = table.columns.iter().map(column).collect();
    let rows: Vec<Vec<Value>> =
        table.rows.iter().map(|row| row.iter().map(crate::Cell::json).collect()).collect();
    json!({ "kind": "table", "caption": table.caption, "columns": columns, "rows": rows })
}

fn lines(lines: &Lines) -> Value {
    let series = |series: &Series| {
        let style = match series.style {
            Style::Line => "line",
            Style::Marked => "marked",
            Style::Points => "points",
        };
        json!({ "name": series.name, "style": style, "points": series.points })
    };
    json!({
        "kind": "lines", "title": lines.title, "x": axis(&lines.x), "y": axis(&lines.y),
        "smoothing": lines.smoothing, "series": lines.series.iter().map(series).collect::<Vec<_>>(),
    })
}

fn bars(bars: &Bars) -> Value {
    let group = |group: &crate::Group| json!({ "name": group.name, "values": group.values });
    let groups: Vec<Value> = bars.groups.iter().map(group).collect();
    json!({ "kind": "bars", "title": bars.title, "axis": axis(&bars.axis), "categories": bars.categories, "groups": groups })
}

fn heat(heat: &Heat) -> Value {
    json!({
        "kind": "heat", "title": heat.title, "value": axis(&heat.value),
        "rows": heat.rows, "columns": heat.columns, "values": heat.values,
    })
}

fn explorer(explorer: &Explorer) -> Value {
    let metric = |metric: &crate::Metric| json!({ "name": metric.name, "scale": scale(metric.log), "values": metric.values });
    let (along, up) = &explorer.spectrum_axes;
    json!({
        "kind": "explorer", "title": explorer.title, "rows": explorer.rows, "columns": explorer.columns,
        "labels": explorer.labels, "metrics": explorer.metrics.iter().map(metric).collect::<Vec<_>>(),
        "spectra": explorer.spectra, "spectrum_axes": [axis(along), axis(up)],
    })
}

fn axis(axis: &Axis) -> Value {
    json!({ "label": axis.label, "scale": scale(axis.log) })
}

fn scale(log: bool) -> &'static str {
    if log { "log" } else { "linear" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Level};

    #[test]
    fn the_schema_is_stable() {
        let mut page = Page::new("t\u{1b}");
        page.lead("l")
            .text("p")
            .section("s")
            .facts(&[("a", Cell::Bytes(1000))])
            .note(Level::Warning, "w")
            .code("c");
        let mut content = Table::new([Column::number("loss").unit("nats")]);
        content.row([Cell::Fixed { value: f64::NAN, decimals: 2 }]).row([Cell::fixed(0.5, 2)]);
        page.table(content);
        let series = Series::new("x", [(1.0, f64::INFINITY), (2.0, 0.1)]);
        page.plot(
            Lines::new("p", Axis::linear("step"), Axis::log("loss")).series(series).smoothing(f64::NAN),
        );
        page.plot(Bars::new("b", Axis::linear("")).bar("k", f64::NEG_INFINITY));
        page.plot(Heat::new("h", Axis::linear("v"), vec![vec![1.0, f64::NAN]]));
        page.explorer(Explorer {
            title: "e".to_owned(),
            rows: vec!["0".to_owned()],
            columns: vec!["q".to_owned(), "k".to_owned()],
            metrics: vec![crate::Metric { name: "m".to_owned(), log: true, values: vec![0.1, f64::NAN] }],
            spectra: vec![Some(vec![0.5, 0.25]), None],
            labels: vec!["l".to_owned(), String::new()],
            spectrum_axes: (Axis::linear("index"), Axis::log("value")),
        });
        let expected = json!({
            "schema": "rankine.page.1", "title": "t\u{1b}", "lead": "l",
            "sections": [
                { "heading": null, "blocks": [{ "kind": "text", "text": "p" }] },
                { "heading": "s", "blocks": [
                    { "kind": "facts", "facts": [{ "label": "a", "value": 1000, "shown": "1.00 kB" }] },
                    { "kind": "note", "level": "warning", "text": "w" },
                    { "kind": "code", "text": "c" },
                    { "kind": "table", "caption": null, "columns": [{ "name": "loss", "align": "right", "unit": "nats" }],
                      "rows": [[null], [0.5]] },
                    { "kind": "lines", "title": "p", "x": { "label": "step", "scale": "linear" },
                      "y": { "label": "loss", "scale": "log" }, "smoothing": null,
                      "series": [{ "name": "x", "style": "line", "points": [[1.0, null], [2.0, 0.1]] }] },
                    { "kind": "bars", "title": "b", "axis": { "label": "", "scale": "linear" }, "categories": ["k"],
                      "groups": [{ "name": "", "values": [null] }] },
                    { "kind": "heat", "title": "h", "value": { "label": "v", "scale": "linear" }, "rows": [], "columns": [],
                      "values": [[1.0, null]] },
                    { "kind": "explorer", "title": "e", "rows": ["0"], "columns": ["q", "k"], "labels": ["l", ""],
                      "metrics": [{ "name": "m", "scale": "log", "values": [0.1, null] }],
                      "spectra": [[0.5, 0.25], null],
                      "spectrum_axes": [{ "label": "index", "scale": "linear" }, { "label": "value", "scale": "log" }] },
                ] },
            ],
        });
        assert_eq!(page.json(), expected);
    }
}
