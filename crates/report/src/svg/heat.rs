//! A heat map: one rectangle a cell, its number inside where it fits and under the pointer everywhere.

use super::{Canvas, WIDTH, label, px, rectangle, width_of};
use crate::html::markup::Markup;
use crate::plot::shade::{Rgb, Shades, wants_black};
use crate::{Heat, format, text};

/// Maps of more cells are drawn in few shapes without words: a page stays small.
const MOST_CELLS_WITH_WORDS: usize = 2000;

/// Colours of a map without words.
const COARSE_SHADES: usize = 64;

/// More rows or columns than this are averaged: a reader could not tell them apart.
const MOST_ROWS: usize = 120;
const MOST_COLUMNS: usize = 160;

const TOP: f64 = 40.0;
const RIGHT: f64 = WIDTH - 12.0;
pub(super) const MOST_LETTERS: usize = 26;

/// How much of its length a slanted name takes across and down.
const SLANT: f64 = 0.72;

/// Colours along the bar that explains them.
const STEPS: usize = 48;

/// Where the cells are.
struct Frame {
    left: f64,
    cell: (f64, f64),
    /// Whether the columns' names are too wide to stand side by side.
    slanted: bool,
}

impl Frame {
    fn new(heat: &Heat) -> Self {
        let (rows, columns) = heat.shape();
        let names = (0..rows).map(|row| width_of(&text::shorten(&heat.row_name(row), MOST_LETTERS)));
        let left = names.fold(0.0, f64::max) + 12.0;
        let width = ((RIGHT - left) / columns.max(1) as f64).min(80.0);
        let height = width.clamp(if rows > 60 { 8.0 } else { 15.0 }, 26.0);
        // Numbers in a row may be left out; names may not.
        let numbered = (0..columns).all(|column| heat.column_name(column).parse::<f64>().is_ok());
        let slanted = !numbered && widest_column_name(heat) + 4.0 > width;
        let missing = if slanted { beyond_the_edge(heat, left, width) } else { 0.0 };
        let left = left + missing;
        let width = width.min((RIGHT - left) / columns.max(1) as f64);
        Self { left, cell: (width, height), slanted }
    }

    /// Every how many columns one is named.
    fn stride(&self, heat: &Heat) -> usize {
        let needed = if self.slanted { 15.0 } else { widest_column_name(heat) + 6.0 };
        (needed / self.cell.0).ceil().max(1.0) as usize
    }
}

/// What slanted names of columns lack to their left, where cells become narrower by as much as they move to the right together.
fn beyond_the_edge(heat: &Heat, left: f64, width: f64) -> f64 {
    let columns = heat.shape().1;
    let lacking = |column: usize| {
        let name = width_of(&text::shorten(&heat.column_name(column), MOST_LETTERS));
        let place = column as f64 + 0.5;
        (name * SLANT - left - place * width) / (1.0 - place / columns as f64)
    };
    (0..columns).map(lacking).fold(0.0, f64::max)
}

pub(super) fn widest_column_name(heat: &Heat) -> f64 {
    let name = |column| width_of(&text::shorten(&heat.column_name(column), MOST_LETTERS));
    (0..heat.shape().1).map(name).fold(0.0, f64::max)
}

/// Its height is returned.
pub(super) fn draw(out: &mut Markup, heat: &Heat, canvas: &Canvas) -> f64 {
    let (rows, columns) = heat.shape();
    let heat = &heat.binned(MOST_ROWS, MOST_COLUMNS);
    let ((shown_rows, shown_columns), frame, shades) = (heat.shape(), Frame::new(heat), Shades::of(heat));
    let bottom = TOP + frame.cell.1 * shown_rows.max(1) as f64;
    let names = if frame.slanted { 12.0 + widest_column_name(heat) * SLANT } else { 20.0 };
    let height = bottom + names + 4.0;
    canvas.open(out, height, &[]);
    let averaged = if (rows, columns) == (shown_rows, shown_columns) { "" } else { ", averaged" };
    let log = if heat.value.log { " (log scale)" } else { "" };
    label(out, (0.0, 17.0), "start", "quiet", &format!("{}{log}{averaged}", heat.value.label));
    if shown_rows == 0 || shown_columns == 0 {
        label(out, (WIDTH / 2.0, TOP + 16.0), "middle", "quiet", "no data");
        out.close();
        return height;
    }
    colour_bar(out, &shades);
    if shown_rows * shown_columns > MOST_CELLS_WITH_WORDS {
        coarse_cells(out, heat, &frame, &shades);
    } else {
        let places = (0..shown_rows).flat_map(|row| (0..shown_columns).map(move |column| (row, column)));
        places.for_each(|place| cell(out, heat, place, &frame, &shades));
    }
    row_names(out, heat, &frame);
    column_names(out, heat, &frame, bottom);
    out.close();
    height
}

fn colour_bar(out: &mut Markup, shades: &Shades) {
    let (low, high) = shades.ends();
    let (low, high) = (format::number(low, 3), format::number(high, 3));
    let (right, width) = (RIGHT - width_of(&high) - 6.0, 180.0);
    let step = width / STEPS as f64;
    label(out, (RIGHT, 17.0), "end", "tick", &high);
    label(out, (right - width - 6.0, 17.0), "end", "tick", &low);
    for index in 0..STEPS {
        let colour = hex(shades.at(index as f64 / (STEPS - 1) as f64));
        // A little wider than a step: no seams.
        let size = (step + if index + 1 < STEPS { 0.6 } else { 0.0 }, 12.0);
        rectangle(out, (right - width + index as f64 * step, 7.0), size, &[("fill", &colour)]);
    }
}

fn cell(out: &mut Markup, heat: &Heat, (row, column): (usize, usize), frame: &Frame, shades: &Shades) {
    let value = heat.at(row, column);
    let (width, height) = frame.cell;
    let (x, y) = (frame.left + column as f64 * width, TOP + row as f64 * height);
    let gap = if width > 6.0 { 1.0 } else { 0.0 };
    let words = words_of(value);
    out.open("g", &[]);
    out.element("title", &[], &format!("{}, {}: {words}", heat.row_name(row), heat.column_name(column)));
    let colour = shades.fraction(value).map(|fraction| shades.at(fraction));
    let fill = colour.map(hex);
    let look = match &fill {
        Some(fill) => ("fill", fill.as_str()),
        None => ("class", "missing"),
    };
    rectangle(out, (x, y), (width - gap, height - gap), &[look]);
    if width_of(&words) + 6.0 <= width && height >= 15.0 {
        label(out, (x + width / 2.0, y + height / 2.0 + 4.0), "middle", ink(colour), &words);
    }
    out.close();
}

/// All cells of nearly one colour as one shape, in units of cells.
fn coarse_cells(out: &mut Markup, heat: &Heat, frame: &Frame, shades: &Shades) {
    let (rows, columns) = heat.shape();
    let (mut coloured, mut missing) = (vec![String::new(); COARSE_SHADES], String::new());
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let shape = match shades.fraction(heat.at(row, column)) {
            Some(fraction) => &mut coloured[(fraction * (COARSE_SHADES - 1) as f64).round() as usize],
            None => &mut missing,
        };
        shape.push_str(&format!("M{column} {row}h1v1h-1z"));
    }
    let place =
        format!("translate({} {TOP}) scale({} {})", px(frame.left), px(frame.cell.0), px(frame.cell.1));
    out.open("g", &[("transform", &place), ("shape-rendering", "crispEdges")]);
    for (index, shape) in coloured.iter().enumerate().filter(|(_, shape)| !shape.is_empty()) {
        let colour = hex(shades.at(index as f64 / (COARSE_SHADES - 1) as f64));
        out.empty("path", &[("fill", &colour), ("d", shape)]);
    }
    if !missing.is_empty() {
        out.empty("path", &[("class", "missing flat"), ("d", &missing)]);
    }
    out.close();
}

fn row_names(out: &mut Markup, heat: &Heat, frame: &Frame) {
    let stride = (14.0 / frame.cell.1).ceil().max(1.0) as usize;
    for row in (0..heat.shape().0).step_by(stride) {
        let y = TOP + (row as f64 + 0.5) * frame.cell.1 + 4.0;
        label(out, (frame.left - 8.0, y), "end", "name", &text::shorten(&heat.row_name(row), MOST_LETTERS));
    }
}

fn column_names(out: &mut Markup, heat: &Heat, frame: &Frame, bottom: f64) {
    for column in (0..heat.shape().1).step_by(frame.stride(heat)) {
        let x = frame.left + (column as f64 + 0.5) * frame.cell.0;
        let name = text::shorten(&heat.column_name(column), MOST_LETTERS);
        if frame.slanted {
            let turn = format!("translate({} {}) rotate(-45)", px(x + 4.0), px(bottom + 12.0));
            out.element("text", &[("transform", &turn), ("text-anchor", "end"), ("class", "name")], &name);
        } else {
            label(out, (x, bottom + 15.0), "middle", "name", &name);
        }
    }
}

/// The number of a cell.
pub(super) fn words_of(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format::number(value, 3) }
}

/// The class of the letters that are read best on a colour.
pub(super) fn ink(colour: Option<Rgb>) -> &'static str {
    match colour {
        Some(colour) if wants_black(colour) => "on-light",
        Some(_) => "on-dark",
        None => "quiet",
    }
}

/// As the browser writes colours.
pub(crate) fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use crate::html::markup::Markup;
    use crate::{Axis, Heat, Plot};

    fn svg(heat: Heat) -> String {
        let mut out = Markup::new();
        crate::svg::draw(&mut out, &Plot::from(heat), "p");
        out.finish()
    }

    #[test]
    fn every_cell_has_its_colour_and_its_words() {
        let heat = Heat::new("t", Axis::linear("energy"), vec![vec![1.0, 2.0], vec![f64::NAN, 3.0]])
            .names(["q".to_owned(), "k".to_owned()], ["0".to_owned(), "1".to_owned()]);
        let svg = svg(heat);
        for title in ["q, 0: 1", "q, 1: 2", "k, 0: –", "k, 1: 3"] {
            assert!(svg.contains(&format!("<title>{title}</title>")), "{title}");
        }
        assert!(svg.contains("fill=\"#440154\"") && svg.contains("fill=\"#fde725\""));
        assert_eq!(svg.matches("class=\"missing\"").count(), 1);
    }

    #[test]
    fn a_huge_map_is_averaged_and_says_so() {
        let svg = svg(Heat::new("t", Axis::linear("energy"), vec![vec![1.0; 1000]; 500]));
        assert!(svg.contains("energy, averaged"));
        assert!(svg.len() < 400_000, "{}", svg.len());
        // Every cell once: 100 rows of 5, 143 columns of 7.
        assert_eq!(svg.matches("h1v1h-1z").count(), 100 * 143);
    }

    #[test]
    fn slanted_names_are_inside_the_drawing() {
        let names = ["input_layernorm", "post_attention_layernorm", "mlp.down_proj"].map(str::to_owned);
        let heat = Heat::new("t", Axis::default(), vec![vec![1.0; 9]]);
        let named = heat.names(["0".to_owned()], names.iter().cycle().take(9).cloned());
        let svg = svg(named);
        let turned: Vec<&str> = svg.split("translate(").skip(1).collect();
        assert_eq!(turned.len(), 9);
        for (text, name) in turned.iter().zip(names.iter().cycle()) {
            let x: f64 = text.split(' ').next().unwrap().parse().unwrap();
            // From the end of the name up and to the left.
            assert!(0.0 <= x - super::width_of(name) * 0.7 && x < super::WIDTH, "{name} at {x}");
        }
    }

    #[test]
    fn an_empty_map_says_so() {
        assert!(svg(Heat::default()).contains(">no data<"));
        assert!(svg(Heat::new("", Axis::default(), vec![vec![f64::INFINITY]])).contains("missing"));
    }
}
