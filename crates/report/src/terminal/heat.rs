//! A heat map: the numbers themselves where they fit, else a letter or a coloured blank for each cell.

use super::paint::{Paint, Tone};
use crate::plot::shade::Shades;
use crate::text::{columns, pad_left, pad_right, shorten, wrap};
use crate::{Heat, format};
use std::collections::HashSet;

/// From little to much, without colour.
const LETTERS: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// Where nothing was measured.
const MISSING: &str = "?";

/// Steps of the colours that explain a map.
const RAMP: usize = 24;

const MOST_ROWS: usize = 48;

/// Letters of a cell that shows its shade only.
const SHADE_WIDTH: usize = 2;

/// How the cells are laid out.
struct Layout {
    names: usize,
    cell: usize,
    numbers: bool,
    averaged: bool,
}

pub(super) fn show(heat: &Heat, width: usize, paint: Paint) -> Vec<String> {
    let rows = heat.binned(MOST_ROWS, usize::MAX);
    let (height, across) = rows.shape();
    if height == 0 || across == 0 {
        return vec![paint.tone(Tone::Dim, "  no data")];
    }
    let names = (0..height).map(|row| columns(&rows.row_name(row))).max().unwrap_or(0).min(width / 3);
    let free = width - names - 1;
    let widest = rows.values.iter().flatten().map(|value| columns(&number(*value))).max().unwrap_or(1);
    let numbers = (widest + 2) * across <= free;
    let whole = heat.shape();
    let heat = if numbers { rows } else { rows.binned(MOST_ROWS, free / SHADE_WIDTH) };
    let averaged = heat.shape() != whole;
    let cell_width = if numbers { (free / across).min(widest + 4) } else { SHADE_WIDTH };
    let layout = Layout { names, cell: cell_width, numbers, averaged };
    let shades = Shades::of(&heat);
    let mut out = explanation(&heat, &layout, &shades, width, paint);
    let numbered = numbered(&heat, &layout);
    out.push(column_names(&heat, &layout, numbered, paint));
    for row in 0..heat.shape().0 {
        let cells = (0..heat.shape().1).map(|column| cell(heat.at(row, column), &layout, &shades, paint));
        let name = pad_left(&shorten(&heat.row_name(row), layout.names), layout.names);
        out.push(format!("{} {}", name, cells.collect::<String>()).trim_end().to_owned());
    }
    if numbered {
        let names = (0..across).map(|column| format!("{} {}", column + 1, heat.column_name(column)));
        let names = format!("columns: {}", names.collect::<Vec<_>>().join(", "));
        out.extend(wrap(&names, width).iter().map(|line| paint.tone(Tone::Dim, line)));
    }
    out
}

/// Whether the columns are headed by numbers: where their names, made short, could not be told apart, and numbers fit.
fn numbered(heat: &Heat, layout: &Layout) -> bool {
    let across = heat.shape().1;
    let short = |column| shorten(&heat.column_name(column), layout.cell.saturating_sub(2));
    let different = |name: &dyn Fn(usize) -> String| (0..across).map(name).collect::<HashSet<_>>().len();
    let fits = across.to_string().len() < layout.cell;
    layout.numbers && fits && different(&short) < different(&|column| heat.column_name(column))
}

/// What the shades stand for, and what is not as it was given.
fn explanation(heat: &Heat, layout: &Layout, shades: &Shades, width: usize, paint: Paint) -> Vec<String> {
    let (low, high) = shades.ends();
    let (low, high) = (format::number(low, 3), format::number(high, 3));
    let scale = match (paint.color, layout.numbers) {
        (true, _) => String::new(),
        (false, true) => format!("{low} to {high}"),
        (false, false) => format!("{low} {} {high}", LETTERS.iter().collect::<String>()),
    };
    let mut words = vec![crate::text::clean_line(&heat.value.label), scale];
    if heat.value.log {
        words.push("log scale".to_owned());
    }
    if layout.averaged {
        words.push("averaged".to_owned());
    }
    if heat.values.iter().flatten().any(|value| shades.fraction(*value).is_none()) {
        words.push(format!("{MISSING} missing"));
    }
    words.retain(|word| !word.is_empty());
    let mut lines: Vec<String> =
        wrap(&words.join(", "), width).iter().map(|line| paint.tone(Tone::Dim, line)).collect();
    if paint.color {
        let ramp = (0..RAMP).map(|step| paint.on(shades.at(step as f64 / (RAMP - 1) as f64), " "));
        lines.push(format!("{low} {} {high}", ramp.collect::<String>()));
    }
    lines
}

fn column_names(heat: &Heat, layout: &Layout, numbered: bool, paint: Paint) -> String {
    let across = heat.shape().1;
    let indent = " ".repeat(layout.names + 1);
    if layout.numbers {
        let short = |column: usize| match numbered {
            true => (column + 1).to_string(),
            false => shorten(&heat.column_name(column), layout.cell - 2),
        };
        let name = |column| pad_left(&(short(column) + " "), layout.cell);
        return paint
            .tone(Tone::Dim, format!("{indent}{}", (0..across).map(name).collect::<String>()).trim_end());
    }
    // Every so many columns one name, from the left edge of its cell.
    let widest = (0..across).map(|column| columns(&heat.column_name(column))).max().unwrap_or(1).min(12);
    let stride = (widest + 1).div_ceil(layout.cell);
    let name = |column: usize| {
        let room = stride.min(across - column) * layout.cell;
        pad_right(&shorten(&heat.column_name(column), room.min(widest)), room)
    };
    let names: String = (0..across).step_by(stride).map(name).collect();
    paint.tone(Tone::Dim, format!("{indent}{names}").trim_end())
}

fn cell(value: f64, layout: &Layout, shades: &Shades, paint: Paint) -> String {
    let fraction = shades.fraction(value);
    let words = match fraction {
        _ if layout.numbers => number(value) + " ",
        None => MISSING.to_owned(),
        Some(_) if paint.color => String::new(),
        Some(fraction) => {
            let place = (fraction * LETTERS.len() as f64) as usize;
            LETTERS[place.min(LETTERS.len() - 1)].to_string().repeat(layout.cell)
        }
    };
    let words = pad_left(&words, layout.cell);
    match fraction {
        Some(fraction) => paint.on(shades.at(fraction), &words),
        None => words,
    }
}

fn number(value: f64) -> String {
    if value.is_nan() { MISSING.to_owned() } else { format::number(value, 3) }
}
