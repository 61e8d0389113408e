//! The map of an explorer: a shape of its own for every cell, however many there are, for a script to paint and to walk
//! through. Without one it is a drawing as any other.

use super::heat::{MOST_LETTERS, hex, ink, widest_column_name, words_of};
use super::{WIDTH, label, px, rectangle, width_of};
use crate::html::markup::Markup;
use crate::plot::shade::Shades;
use crate::{Heat, Plot, text};

/// Across a cell: wide enough for a finger, narrow enough for the eye to see rows.
const NARROWEST: f64 = 16.0;
const WIDEST: f64 = 84.0;

/// Narrower cells have no numbers: a few that fit would look like more than the others.
const NUMBERED: f64 = 34.0;

/// Height of a cell; less where there are many rows.
const TALL: f64 = 26.0;
const LOW: f64 = 18.0;
const MANY_ROWS: usize = 48;

/// How much of its length a slanted name takes across and down.
const SLANT: f64 = 0.72;

/// Where the cells are.
struct Frame {
    left: f64,
    top: f64,
    cell: (f64, f64),
    slanted: bool,
    size: (f64, f64),
}

impl Frame {
    fn new(map: &Heat) -> Self {
        let (rows, columns) = map.shape();
        let names = (0..rows).map(|row| width_of(&text::shorten(&map.row_name(row), MOST_LETTERS)));
        let left = names.fold(0.0, f64::max) + 12.0;
        let name = widest_column_name(map);
        let width = ((WIDTH - left) / columns.max(1) as f64).clamp(NARROWEST, WIDEST);
        let height = if rows > MANY_ROWS { LOW } else { TALL };
        let slanted = name + 4.0 > width;
        let (top, right) = if slanted { (14.0 + name * SLANT, name * SLANT) } else { (24.0, 4.0) };
        let across = left + width * columns as f64 + right;
        let size = (across.max(240.0), top + height * rows.max(1) as f64 + 4.0);
        Self { left, top, cell: (width, height), slanted, size }
    }
}

/// Draws the map; the pattern of its gaps is called `{id}-gap`.
pub(crate) fn draw(out: &mut Markup, map: &Heat, id: &str) {
    let ((rows, columns), frame, shades) = (map.shape(), Frame::new(map), Shades::of(map));
    open(out, map, &frame, id);
    if rows == 0 || columns == 0 {
        label(out, (0.0, frame.top), "start", "quiet", "no data");
    }
    (0..columns).for_each(|column| column_name(out, map, column, &frame));
    for row in 0..rows {
        let y = frame.top + (row as f64 + 0.5) * frame.cell.1 + 4.0;
        out.open("g", &[("class", "row")]);
        let name = text::shorten(&map.row_name(row), MOST_LETTERS);
        label(out, (frame.left - 8.0, y), "end", "name", &name);
        (0..columns).for_each(|column| cell(out, map, (row, column), (&frame, &shades, id)));
        out.close();
    }
    out.close();
}

/// Opens the drawing, with its content in words and the hatching of its gaps.
fn open(out: &mut Markup, map: &Heat, frame: &Frame, id: &str) {
    let (title, words, gap) = (format!("{id}-title"), format!("{id}-words"), format!("{id}-gap"));
    let (width, height) = frame.size;
    let (seen, style) = (format!("0 0 {} {}", px(width), px(height)), format!("--across: {}px", px(width)));
    let labels = format!("{title} {words}");
    out.open(
        "svg",
        &[
            ("viewBox", &*seen),
            ("style", &*style),
            ("preserveAspectRatio", "xMinYMin"),
            ("role", "img"),
            ("aria-labelledby", &*labels),
        ],
    );
    out.element("title", &[("id", &title)], if map.title.is_empty() { "Map" } else { &map.title });
    out.element("desc", &[("id", &words)], &Plot::from(map.clone()).summary());
    let unit = [("width", "6"), ("height", "6")];
    let pattern = [("id", &*gap), ("patternUnits", "userSpaceOnUse"), ("patternTransform", "rotate(45)")];
    out.open("defs", &[]).open("pattern", &[&pattern[..], &unit].concat());
    out.empty("rect", &[&[("class", "ground")][..], &unit].concat());
    out.empty("path", &[("class", "hatch"), ("d", "M1 0V6")]).close().close();
}

fn column_name(out: &mut Markup, map: &Heat, column: usize, frame: &Frame) {
    let x = frame.left + (column as f64 + 0.5) * frame.cell.0;
    let (name, y) = (text::shorten(&map.column_name(column), MOST_LETTERS), frame.top - 8.0);
    if frame.slanted {
        let turn = format!("translate({} {}) rotate(-45)", px(x + 2.0), px(y));
        out.element("text", &[("transform", &*turn), ("class", "name")], &name);
    } else {
        label(out, (x, y), "middle", "name", &name);
    }
}

fn cell(
    out: &mut Markup,
    map: &Heat,
    (row, column): (usize, usize),
    (frame, shades, id): (&Frame, &Shades, &str),
) {
    let (value, (width, height)) = (map.at(row, column), frame.cell);
    let (x, y) = (frame.left + column as f64 * width, frame.top + row as f64 * height);
    let words = words_of(value);
    let colour = shades.fraction(value).map(|fraction| shades.at(fraction));
    let fill = colour.map_or_else(|| format!("url(#{id}-gap)"), hex);
    out.open("g", &[("class", "cell")]);
    out.element("title", &[], &format!("{}, {}: {words}", map.row_name(row), map.column_name(column)));
    rectangle(out, (x, y), (width - 1.0, height - 1.0), &[("fill", &fill)]);
    let fits = NUMBERED <= width && width_of(&words) + 6.0 <= width;
    label(
        out,
        (x + width / 2.0, y + height / 2.0 + 4.0),
        "middle",
        ink(colour),
        if fits { &words } else { "" },
    );
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Axis;

    fn svg(rows: usize, columns: usize, value: f64) -> String {
        let names = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>();
        let map = Heat::new("t", Axis::linear("rank"), vec![vec![value; columns]; rows]);
        let mut out = Markup::new();
        draw(&mut out, &map.names(names(rows), names(columns)), "x");
        out.finish()
    }

    #[test]
    fn every_cell_can_be_found() {
        let svg = svg(130, 60, 1.0);
        assert_eq!(svg.matches("class=\"row\"").count(), 130);
        assert_eq!(svg.matches("class=\"cell\"").count(), 130 * 60);
        assert!(svg.contains("<title>129, 59: 1</title>"));
    }

    #[test]
    fn gaps_are_hatched() {
        assert_eq!(svg(2, 3, f64::NAN).matches("fill=\"url(#x-gap)\"").count(), 6);
        assert_eq!(svg(2, 3, 0.5).matches("url(#x-gap)").count(), 0);
        assert!(svg(2, 3, 0.5).contains("<pattern id=\"x-gap\""));
    }

    #[test]
    fn an_empty_map_says_so() {
        assert!(svg(0, 0, 1.0).contains(">no data<"));
    }
}
