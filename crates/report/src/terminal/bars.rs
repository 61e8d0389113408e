//! Horizontal bars drawn with blocks, exact to an eighth of a letter.

use super::lines::items_in_lines;
use super::paint::{Paint, SERIES, Tone};
use crate::plot::scale::{Scale, drawable};
use crate::text::{clean_line, columns, pad_left, pad_right, shorten};
use crate::{Bars, format};

/// How the bars of each group are filled: told apart without colour.
const FILLS: [char; 4] = ['█', '▒', '▓', '░'];

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

pub(super) fn show(bars: &Bars, width: usize, paint: Paint) -> Vec<String> {
    let mut out = legend(bars, width, paint);
    if bars.len() == 0 {
        out.push(paint.tone(Tone::Dim, "  no data"));
        return out;
    }
    let all = |group: usize| (0..bars.len()).map(move |category| (group, category));
    let values: Vec<(usize, usize)> = (0..bars.groups.len()).flat_map(all).collect();
    let number = |value: f64| if value.is_nan() { "–".to_owned() } else { format::number(value, 4) };
    let numbers = values.iter().map(|(group, category)| columns(&number(bars.value(*group, *category))));
    let numbers = numbers.max().unwrap_or(0).min(width / 3);
    let names = (0..bars.len()).map(|category| columns(&bars.name(category)));
    let names = names.max().unwrap_or(0).min(width * 2 / 5).min(width.saturating_sub(numbers + 12).max(6));
    let field = Field::new(bars, width.saturating_sub(names + numbers + 4).max(2));
    for category in 0..bars.len() {
        for group in 0..bars.groups.len().max(1) {
            let name = if group == 0 { shorten(&bars.name(category), names) } else { String::new() };
            let value = bars.value(group, category);
            let bar = paint.tone(SERIES[group % SERIES.len()], &field.bar(value, group));
            let blanks = " ".repeat(field.width.saturating_sub(columns(&field.bar(value, group))));
            let number = pad_left(&shorten(&number(value), numbers), numbers);
            out.push(format!("{}  {bar}{blanks}  {number}", pad_right(&name, names)));
        }
    }
    out
}

fn legend(bars: &Bars, width: usize, paint: Paint) -> Vec<String> {
    let named = bars.groups.iter().enumerate().filter(|(_, group)| !group.name.is_empty());
    let item = |(index, group): (usize, &crate::Group)| {
        let name = shorten(&clean_line(&group.name), width.saturating_sub(3));
        (format!("{} {name}", FILLS[index % FILLS.len()]), SERIES[index % SERIES.len()])
    };
    let mut items: Vec<(String, Tone)> = named.map(item).collect();
    let label = clean_line(&bars.axis.label) + if bars.axis.log { " (log scale)" } else { "" };
    if !label.is_empty() {
        items.push((shorten(&label, width), Tone::Dim));
    }
    items_in_lines(&items, width, paint)
}

/// Where bars are drawn.
struct Field {
    width: usize,
    scale: Scale,
    /// Where they begin, in letters.
    base: usize,
    log: bool,
}

impl Field {
    fn new(bars: &Bars, width: usize) -> Self {
        let values = || bars.groups.iter().flat_map(|group| group.values.iter().copied());
        let log = bars.axis.log;
        let scale = if log {
            Scale::covering(values(), true).padded(0.05)
        } else {
            Scale::covering(values().chain([0.0]), false)
        };
        let base = if log { 0 } else { (scale.fraction(0.0) * width as f64).round() as usize };
        Self { width, scale, base, log }
    }

    /// Blanks, then the bar; the right end of a bar of the first group is exact to an eighth.
    fn bar(&self, value: f64, group: usize) -> String {
        if !drawable(value, self.log) || (value == 0.0 && !self.log) {
            return String::new();
        }
        let fill = FILLS[group % FILLS.len()].to_string();
        let end = self.scale.fraction(value) * self.width as f64;
        // What is not zero is seen: a letter before the base, an eighth behind it.
        if end < self.base as f64 {
            let from = (end.round() as usize).min(self.base.saturating_sub(1));
            return format!("{}{}", " ".repeat(from), fill.repeat(self.base - from));
        }
        let eighths = (((end - self.base as f64) * 8.0).round() as usize).max(1);
        let (whole, rest) = if group == 0 { (eighths / 8, eighths % 8) } else { ((eighths + 4) / 8, 0) };
        let rest = if self.base + whole < self.width { EIGHTHS[rest] } else { "" };
        format!("{}{}{rest}", " ".repeat(self.base), fill.repeat(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Axis;

    fn bars(values: &[f64]) -> Bars {
        values.iter().fold(Bars::new("", Axis::linear("")), |bars, value| bars.bar("n", *value))
    }

    #[test]
    fn lengths_are_exact_to_an_eighth() {
        let field = Field::new(&bars(&[16.0, 8.5, 0.001, 0.0]), 16);
        assert_eq!(field.bar(16.0, 0), "█".repeat(16));
        assert_eq!(field.bar(8.5, 0), "█".repeat(8) + "▌");
        assert_eq!(field.bar(8.4, 1), "▒".repeat(8));
        assert_eq!(
            (field.bar(0.001, 0).as_str(), field.bar(0.0, 0).as_str(), field.bar(f64::NAN, 0).as_str()),
            ("▏", "", "")
        );
    }

    #[test]
    fn negative_bars_end_where_positive_ones_begin() {
        let field = Field::new(&bars(&[-8.0, 8.0]), 16);
        assert_eq!(field.bar(-8.0, 0), "█".repeat(8));
        assert_eq!(field.bar(8.0, 0), " ".repeat(8) + &"█".repeat(8));
        assert_eq!(field.bar(-4.0, 0), "    ████");
    }
}
