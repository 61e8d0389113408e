//! Plots for the browser, as inline SVG or as files. Colours are classes of the page's style, so that they follow light and dark;
//! lengths are user units, 720 across.

mod bars;
pub(crate) mod explorer;
mod file;
pub(crate) mod heat;
mod lines;
mod look;
mod spark;

use crate::html::markup::{Attributes, Markup};
use crate::{Plot, format, text};
pub(crate) use file::file;
use look::Look;
pub(crate) use spark::spark;

/// Units across every plot.
const WIDTH: f64 = 720.0;

/// Height of the letters, as in the page's style.
const LETTER: f64 = 12.0;

/// Width of a letter on average; digits of most fonts are a little narrower.
const ADVANCE: f64 = 0.58 * LETTER;

/// Draws `plot` and returns its height; `id` is unique on the page.
pub(crate) fn draw(out: &mut Markup, plot: &Plot, id: &str) -> f64 {
    match plot {
        Plot::Lines(lines) => lines::draw(out, lines, &Canvas::new(plot, id)),
        Plot::Bars(bars) => bars::draw(out, bars, &Canvas::new(plot, id)),
        Plot::Heat(heat) => heat::draw(out, heat, &Canvas::new(plot, id)),
    }
}

/// Names of the series beside their colour, dash and marker; nothing where one series says it all.
pub(crate) fn legend(out: &mut Markup, plot: &Plot) {
    let Some(Legend { names, smoothing }) = Legend::of(plot) else {
        return;
    };
    out.open("ul", &[("class", "legend")]);
    for (index, name) in names.into_iter().enumerate() {
        out.open("li", &[]);
        swatch(out, plot, index, &[("class", "swatch"), ("aria-hidden", "true")]);
        out.text(name).close();
    }
    if let Some(words) = smoothing {
        out.element("li", &[("class", "unit")], &words);
    }
    out.close();
}

/// What a legend says.
struct Legend<'a> {
    names: Vec<&'a str>,
    smoothing: Option<String>,
}

impl<'a> Legend<'a> {
    fn of(plot: &'a Plot) -> Option<Self> {
        let names: Vec<&str> = match plot {
            Plot::Lines(lines) => lines.series.iter().map(|series| series.name.as_str()).collect(),
            Plot::Bars(bars) => bars.groups.iter().map(|group| group.name.as_str()).collect(),
            Plot::Heat(_) => return None,
        };
        let weight = match plot {
            Plot::Lines(lines) => lines.smoothing_weight(),
            _ => None,
        };
        let needed = match names.as_slice() {
            [] => false,
            [only] => !only.is_empty() && (weight.is_some() || *only != y_label(plot)),
            _ => true,
        };
        let words =
            |weight| format!("moving average, weight {}; faint: as measured", format::number(weight, 4));
        (needed || weight.is_some()).then(|| Self { names, smoothing: weight.map(words) })
    }
}

fn y_label(plot: &Plot) -> &str {
    match plot {
        Plot::Lines(lines) => &lines.y.label,
        Plot::Bars(bars) => &bars.axis.label,
        Plot::Heat(heat) => &heat.value.label,
    }
}

/// The look of a series in a drawing of its own; `rest` says how it stands.
fn swatch(out: &mut Markup, plot: &Plot, index: usize, rest: &Attributes) {
    let look = Look::of(index);
    let box_ = [&[("viewBox", "0 0 30 12")], rest].concat();
    match plot {
        Plot::Bars(_) => {
            out.open("svg", &box_);
            out.empty(
                "rect",
                &[
                    ("class", &format!("bar {}", look.class)),
                    ("x", "8"),
                    ("y", "1"),
                    ("width", "14"),
                    ("height", "10"),
                ],
            );
        }
        _ => {
            let points =
                matches!(plot, Plot::Lines(lines) if lines.series[index].style == crate::Style::Points);
            out.open("svg", &box_);
            if !points {
                let attributes = [
                    ("class", &*format!("line {}", look.class)),
                    ("d", "M0 6H30"),
                    ("stroke-dasharray", look.dash),
                ];
                out.empty("path", &attributes);
            }
            look.marker(out, 15.0, 6.0);
        }
    }
    out.close();
}

/// What every drawing needs to begin with.
struct Canvas<'a> {
    plot: &'a Plot,
    id: &'a str,
}

impl<'a> Canvas<'a> {
    fn new(plot: &'a Plot, id: &'a str) -> Self {
        Self { plot, id }
    }

    /// Opens the drawing, with its name and its content in words for those who do not see it.
    fn open(&self, out: &mut Markup, height: f64, data: &Attributes) {
        let (title, words) = (format!("{}-title", self.id), format!("{}-words", self.id));
        let (size, labels) = (format!("0 0 {WIDTH} {}", px(height)), format!("{title} {words}"));
        let mut attributes = vec![("viewBox", size.as_str()), ("role", "img"), ("aria-labelledby", &labels)];
        attributes.extend_from_slice(data);
        out.open("svg", &attributes);
        let name = if self.plot.title().is_empty() { "Plot" } else { self.plot.title() };
        out.element("title", &[("id", &title)], name);
        out.element("desc", &[("id", &words)], &self.plot.summary());
    }
}

/// A length with at most two decimals.
fn px(length: f64) -> String {
    let written = format!("{length:.2}");
    let trimmed = written.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// About how wide a label is.
fn width_of(label: &str) -> f64 {
    text::columns(label) as f64 * ADVANCE
}

/// A label; `anchor` is `start`, `middle` or `end`.
fn label(out: &mut Markup, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    out.element("text", &[("x", &px(x)), ("y", &px(y)), ("text-anchor", anchor), ("class", class)], text);
}

/// A straight line.
fn rule(out: &mut Markup, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    out.empty("path", &[("class", class), ("d", &format!("M{} {}L{} {}", px(x1), px(y1), px(x2), px(y2)))]);
}

/// A rectangle.
fn rectangle(out: &mut Markup, (x, y): (f64, f64), (width, height): (f64, f64), rest: &Attributes) {
    let place = [px(x), px(y), px(width), px(height)];
    let mut attributes =
        vec![("x", &*place[0]), ("y", &place[1]), ("width", &place[2]), ("height", &place[3])];
    attributes.extend_from_slice(rest);
    out.empty("rect", &attributes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        assert_eq!([px(1.0), px(0.126), px(-0.001), px(10.5), px(100.0)], ["1", "0.13", "0", "10.5", "100"]);
    }
}
