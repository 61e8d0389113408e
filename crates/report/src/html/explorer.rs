//! The explorer: a map that stands as it is, and the numbers with which the script lets its reader walk through it.
//!
//!     data-explorer = {"rows", "columns", "labels", "metrics": [metric], "spectra": [[value] | null], "axes": [axis, axis]}
//!     metric        = {"name", "log", "low", "high", "ramp": [colour], "values": [value | null]}        axis = {"label", "log"}
//!
//! Every number is there once, to four digits. The data stand in an attribute, which [`Markup`] escapes like any text: no
//! name in them can end it. Printed is the map as it is shown, without its controls.

use serde_json::{Value, json};

use super::markup::Markup;
use crate::plot::shade::Shades;
use crate::svg::{self, heat::hex};
use crate::{Axis, Explorer, Heat, Metric, format, text};

/// Colours from one end of the scale to the other. The stops of both scales (ten and seven) are among them, so that what
/// is mixed of neighbours is what the map is drawn with.
const RAMP: usize = 19;

/// Writes the explorer that has the place `number` on the page.
pub(super) fn show(out: &mut Markup, explorer: &Explorer, number: usize) {
    let (map, id) = (explorer.first(), format!("explorer-{number}"));
    out.open("figure", &[("class", "explorer"), ("data-explorer", &data(explorer).to_string())]);
    out.element("figcaption", &[], &explorer.title);
    out.open("div", &[("class", "panes")]).open("div", &[("class", "map")]);
    key(out, &map, &id);
    let label = format!("Map: {}", explorer.title);
    out.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "group"), ("aria-label", &label)]);
    svg::explorer::draw(out, &map, &id);
    out.close().close().close().close();
}

/// What the colours mean; its parts are rewritten when the metric changes.
fn key(out: &mut Markup, map: &Heat, id: &str) {
    let shades = Shades::of(map);
    let (low, high) = shades.ends();
    let log = if map.value.log { " (log scale)" } else { "" };
    out.open("div", &[("class", "key")]);
    out.element("span", &[("class", "metric")], &format!("{}{log}", map.value.label));
    out.open("span", &[("class", "scale")]).element("span", &[("class", "low")], &format::number(low, 3));
    let ramp = format!("{id}-ramp");
    out.open("svg", &[("class", "ramp"), ("viewBox", "0 0 160 12"), ("aria-hidden", "true")]);
    out.open("linearGradient", &[("id", &ramp)]);
    for (index, colour) in colours(&shades).enumerate() {
        let offset = format!("{:.4}", index as f64 / (RAMP - 1) as f64);
        out.empty("stop", &[("offset", &offset), ("stop-color", &colour)]);
    }
    out.close();
    swatch(out, "160", &format!("url(#{ramp})"));
    out.close();
    out.element("span", &[("class", "high")], &format::number(high, 3)).close();
    out.open("svg", &[("class", "gap"), ("viewBox", "0 0 20 12"), ("aria-hidden", "true")]);
    swatch(out, "20", &format!("url(#{id}-gap)"));
    out.close().element("span", &[], "missing").close();
}

fn swatch(out: &mut Markup, width: &str, fill: &str) {
    out.empty("rect", &[("width", width), ("height", "12"), ("rx", "2"), ("fill", fill)]);
}

fn colours(shades: &Shades) -> impl Iterator<Item = String> {
    (0..RAMP).map(|index| hex(shades.at(index as f64 / (RAMP - 1) as f64)))
}

fn data(explorer: &Explorer) -> Value {
    let names = |names: &[String]| names.iter().map(|name| text::clean_line(name)).collect::<Vec<_>>();
    let spectrum = |spectrum: &Option<Vec<f32>>| {
        spectrum
            .as_ref()
            .map(|values| values.iter().map(|value| rounded(f64::from(*value))).collect::<Vec<_>>())
    };
    let axis = |axis: &Axis| json!({ "label": text::clean_line(&axis.label), "log": axis.log });
    json!({
        "rows": names(&explorer.rows), "columns": names(&explorer.columns), "labels": names(&explorer.labels),
        "metrics": explorer.metrics.iter().map(|one| metric(explorer, one)).collect::<Vec<_>>(),
        "spectra": explorer.spectra.iter().map(spectrum).collect::<Vec<_>>(),
        "axes": [axis(&explorer.spectrum_axes.0), axis(&explorer.spectrum_axes.1)],
    })
}

fn metric(explorer: &Explorer, metric: &Metric) -> Value {
    let map = explorer.map(metric);
    let shades = Shades::of(&map);
    let (low, high) = shades.ends();
    json!({
        "name": text::clean_line(&metric.name), "log": metric.log, "low": low, "high": high,
        "ramp": colours(&shades).collect::<Vec<_>>(),
        "values": map.values.iter().flatten().map(|value| rounded(*value)).collect::<Vec<_>>(),
    })
}

/// A number to four digits, as short as JSON writes it; not finite is `null`.
fn rounded(value: f64) -> Value {
    let value: f64 = format!("{value:.3e}").parse().unwrap_or(f64::NAN);
    if value.fract() == 0.0 && value.abs() < 1e6 { (value as i64).into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = |value: f64| rounded(value).to_string();
        let cases =
            [(0.123_456, "0.1235"), (12.0, "12"), (-0.0, "0"), (123_456.0, "123500"), (1.5e-9, "1.5e-9")];
        for (value, expected) in cases {
            assert_eq!(shown(value), expected);
        }
        assert_eq!([shown(f64::NAN), shown(f64::INFINITY)], ["null", "null"]);
    }

    #[test]
    fn the_data_hold_every_cell_and_name_nothing_that_ends_them() {
        let explorer = Explorer {
            title: "t".to_owned(),
            rows: vec!["layer 0".to_owned()],
            columns: vec!["q".to_owned(), "k\"'</figure>".to_owned()],
            metrics: vec![Metric { name: "rank\u{1b}".to_owned(), log: false, values: vec![-0.25] }],
            spectra: vec![Some(vec![1.0, 0.333_333])],
            labels: vec!["a.q".to_owned()],
            spectrum_axes: (Axis::linear("index"), Axis::log("value")),
        };
        let data = data(&explorer);
        assert_eq!(data["metrics"][0]["values"], json!([-0.25, null]));
        assert_eq!(data["metrics"][0]["ramp"][0], "#440154");
        assert_eq!(data["metrics"][0]["name"], "rank\u{fffd}");
        assert_eq!(data["spectra"], json!([[1, 0.3333]]));
        assert_eq!(data["axes"][1], json!({ "label": "value", "log": true }));
        let mut out = Markup::new();
        show(&mut out, &explorer, 1);
        let html = out.finish();
        assert!(html.starts_with(
            "<figure class=\"explorer\" data-explorer=\"{&quot;rows&quot;:[&quot;layer 0&quot;]"
        ));
        assert_eq!(html.matches("</figure>").count(), 1);
        assert_eq!(html.matches("class=\"cell\"").count(), 2);
    }
}
