//! Lines drawn with braille letters: 2 × 4 dots a letter, axes with labelled ticks, a marker now and then that tells one
//! line from another without colour.

use super::paint::{Paint, SERIES, Tone};
use crate::plot::scale::{Scale, Tick};
use crate::plot::trace;
use crate::text::{clean_line, columns, pad_left, shorten, wrap};
use crate::{Axis, Lines, Series, Style};

/// Markers of the series, in their order; the same shapes as in the browser.
pub(super) const MARKERS: [char; 6] = ['●', '■', '▲', '◆', '▼', '✚'];

/// Letters between two markers of one line.
const MARKER_DISTANCE: usize = 14;

/// Letters a tick of the horizontal axis needs.
const TICK_DISTANCE: usize = 11;

pub(super) fn show(lines: &Lines, width: usize, paint: Paint) -> Vec<String> {
    let shown = |series: &Series| trace::runs(&series.points, lines.x.log, lines.y.log).concat();
    let points: Vec<(f64, f64)> = lines.series.iter().flat_map(shown).collect();
    let mut out = legend(lines, width, paint);
    if points.is_empty() {
        out.push(paint.tone(Tone::Dim, "  no data"));
        return out;
    }
    let x = Scale::covering(points.iter().map(|point| point.0), lines.x.log);
    let y = Scale::covering(points.iter().map(|point| point.1), lines.y.log);
    let rows = (width / 6).clamp(8, 15);
    let y_ticks = y.ticks(rows / 3 + 1);
    let widest = y_ticks.iter().map(|tick| columns(&tick.label)).max().unwrap_or(0).min(width / 2);
    let mut canvas = Canvas::new(width - widest - 2, rows, x, y);
    for (index, series) in lines.series.iter().enumerate().rev() {
        canvas.series(lines, series, index);
    }
    out.extend(label(&lines.y, width).map(|name| paint.tone(Tone::Dim, &name)));
    for row in 0..rows {
        let tick = y_ticks.iter().find(|tick| canvas.row(tick.value) / 4 == row);
        let name = tick.map_or(String::new(), |tick| shorten(&tick.label, widest));
        let axis = if tick.is_some() { '┤' } else { '│' };
        out.push(
            format!("{} {axis}{}", pad_left(&name, widest), canvas.line(row, paint)).trim_end().to_owned(),
        );
    }
    out.extend(x_axis(&canvas, widest + 1, width));
    if let Some(name) = label(&lines.x, width) {
        let centred = (width + widest).saturating_sub(columns(&name)) / 2;
        let indent = centred.min(width - columns(&name));
        out.push(format!("{}{}", " ".repeat(indent), paint.tone(Tone::Dim, &name)));
    }
    out
}

/// The name of an axis on one line, if it has one.
fn label(axis: &Axis, width: usize) -> Option<String> {
    let name = clean_line(&axis.label);
    let name = if axis.log && columns(&name) + 12 <= width { format!("{name} (log scale)") } else { name };
    (!name.trim().is_empty()).then(|| shorten(&name, width))
}

fn x_axis(canvas: &Canvas, left: usize, width: usize) -> [String; 2] {
    let mut rule: Vec<char> = vec!['─'; canvas.columns];
    let mut names = String::new();
    for Tick { value, label } in canvas.x.ticks(canvas.columns / TICK_DISTANCE) {
        let column = canvas.column(value) / 2;
        rule[column] = '┬';
        let wide = columns(&label);
        let centre = left + 1 + column;
        let start = centre.saturating_sub(wide / 2).min(width.saturating_sub(wide));
        let free = columns(&names);
        if names.is_empty() || start > free {
            names.push_str(&" ".repeat(start.saturating_sub(free)));
            names.push_str(&label);
        }
    }
    [format!("{}└{}", " ".repeat(left), rule.iter().collect::<String>()), shorten(&names, width)]
}

fn legend(lines: &Lines, width: usize, paint: Paint) -> Vec<String> {
    let single = lines.series.len() == 1;
    let items = lines.series.iter().enumerate().filter(|(_, series)| !single || series.name != lines.y.label);
    let mut words: Vec<(String, Tone)> = items
        .map(|(index, series)| {
            let name = shorten(&clean_line(&series.name), width.saturating_sub(3));
            (format!("{} {name}", MARKERS[index % MARKERS.len()]), SERIES[index % SERIES.len()])
        })
        .filter(|(item, _)| columns(item) > 2)
        .collect();
    if let Some(weight) = lines.smoothing_weight() {
        words.extend(
            wrap(&format!("(moving average, weight {})", crate::format::number(weight, 4)), width)
                .into_iter()
                .map(|w| (w, Tone::Dim)),
        );
    }
    items_in_lines(&words, width, paint)
}

/// Items side by side, as many as fit on each line.
pub(super) fn items_in_lines(items: &[(String, Tone)], width: usize, paint: Paint) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut taken = 0;
    for (item, tone) in items {
        let painted = paint.tone(*tone, item);
        match lines.last_mut() {
            Some(line) if taken + 3 + columns(item) <= width => {
                line.push_str("   ");
                line.push_str(&painted);
                taken += 3 + columns(item);
            }
            _ => {
                lines.push(painted);
                taken = columns(item);
            }
        }
    }
    lines
}

/// One letter of the drawing.
#[derive(Clone, Copy, Default)]
struct Letter {
    /// Braille dots, as the low byte of U+2800.
    dots: u8,
    marker: Option<char>,
    /// The series that owns it.
    series: usize,
}

/// A field of letters, twice as many dots across and four times as many down.
struct Canvas {
    columns: usize,
    rows: usize,
    x: Scale,
    y: Scale,
    letters: Vec<Letter>,
}

impl Canvas {
    fn new(columns: usize, rows: usize, x: Scale, y: Scale) -> Self {
        let columns = columns.max(4);
        Self { columns, rows, x, y, letters: vec![Letter::default(); columns * rows] }
    }

    /// The column of dots of a value.
    fn column(&self, value: f64) -> usize {
        (self.x.fraction(value).clamp(0.0, 1.0) * (self.columns * 2 - 1) as f64).round() as usize
    }

    /// The row of dots of a value, counted from the top.
    fn row(&self, value: f64) -> usize {
        ((1.0 - self.y.fraction(value).clamp(0.0, 1.0)) * (self.rows * 4 - 1) as f64).round() as usize
    }

    fn series(&mut self, lines: &Lines, series: &Series, index: usize) {
        let smoothed = match (lines.smoothing_weight(), series.style) {
            (Some(weight), Style::Line) => {
                Some(trace::smoothed(&series.points, weight, lines.x.log, lines.y.log))
            }
            _ => None,
        };
        let points = smoothed.as_deref().unwrap_or(&series.points);
        let mut next_marker = index * MARKER_DISTANCE / lines.series.len().max(1);
        for run in trace::runs(points, lines.x.log, lines.y.log) {
            let alone = run.len() == 1;
            let places: Vec<(usize, usize)> = trace::thinned(&run, |x| self.column(x) as i64)
                .into_iter()
                .map(|(x, y)| (self.column(x), self.row(y)))
                .collect();
            if series.style != Style::Points {
                self.stroke(&places, index);
            }
            for (x, y) in places {
                let among_others = lines.series.len() > 1 && x / 2 >= next_marker;
                if alone || series.style != Style::Line || among_others {
                    self.letters[y / 4 * self.columns + x / 2].marker = Some(MARKERS[index % MARKERS.len()]);
                    self.letters[y / 4 * self.columns + x / 2].series = index;
                }
                if among_others {
                    next_marker = x / 2 + MARKER_DISTANCE;
                }
            }
        }
    }

    /// Joins places by straight lines of dots.
    fn stroke(&mut self, places: &[(usize, usize)], series: usize) {
        for pair in places.windows(2) {
            let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
            let steps = x1.abs_diff(x2).max(y1.abs_diff(y2)).max(1);
            for step in 0..=steps {
                let between = |from: usize, to: usize| {
                    let share = step as f64 / steps as f64;
                    (from as f64 + (to as f64 - from as f64) * share).round() as usize
                };
                self.dot(between(x1, x2), between(y1, y2), series);
            }
        }
    }

    fn dot(&mut self, x: usize, y: usize, series: usize) {
        let bit = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]][y % 4][x % 2];
        let letter = &mut self.letters[y / 4 * self.columns + x / 2];
        letter.dots |= bit;
        letter.series = series;
    }

    /// One row of letters; neighbours of one series share their colour.
    fn line(&self, row: usize, paint: Paint) -> String {
        let letters = &self.letters[row * self.columns..(row + 1) * self.columns];
        let tone = |letter: &Letter| {
            (letter.dots != 0 || letter.marker.is_some()).then(|| SERIES[letter.series % SERIES.len()])
        };
        let mut line = String::new();
        for piece in letters.chunk_by(|a, b| tone(a) == tone(b)) {
            let drawn: String = piece.iter().map(Letter::shown).collect();
            match tone(&piece[0]) {
                Some(tone) => line.push_str(&paint.tone(tone, &drawn)),
                None => line.push_str(&drawn),
            }
        }
        line
    }
}

impl Letter {
    fn shown(&self) -> char {
        match self {
            Self { marker: Some(marker), .. } => *marker,
            Self { dots: 0, .. } => ' ',
            Self { dots, .. } => char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' '),
        }
    }
}
