//! Horizontal bars: names on the left, the number at the end of each bar.

use super::look::Look;
use super::{ADVANCE, Canvas, WIDTH, label, rectangle, rule, width_of};
use crate::html::markup::Markup;
use crate::plot::scale::{Scale, drawable};
use crate::{Bars, format, text};

const TOP: f64 = 26.0;
const THICKNESS: f64 = 16.0;
const BETWEEN: f64 = 8.0;

/// Room for the number behind the longest bar.
const NUMBER: f64 = 64.0;

/// Letters of a category's name; the whole name is under the pointer.
const MOST_LETTERS: usize = 34;

struct Frame {
    left: f64,
    right: f64,
    scale: Scale,
    log: bool,
    /// Where bars begin.
    base: f64,
}

impl Frame {
    fn new(bars: &Bars) -> Self {
        let values = || bars.groups.iter().flat_map(|group| group.values.iter().copied());
        let log = bars.axis.log;
        // On a log axis nothing is zero: the shortest bar keeps a visible stub.
        let scale = if log {
            Scale::covering(values(), true).padded(0.05)
        } else {
            Scale::covering(values().chain([0.0]), false)
        };
        let widest = (0..bars.len()).map(|index| width_of(&text::shorten(&bars.name(index), MOST_LETTERS)));
        let minus = if values().any(|value| value < 0.0 && drawable(value, log)) { NUMBER } else { 0.0 };
        let left = widest.fold(0.0, f64::max).max(4.0 * ADVANCE) + 10.0 + minus;
        let right = WIDTH - NUMBER;
        let base = if log { left } else { left + scale.fraction(0.0) * (right - left) };
        Self { left, right, scale, log, base }
    }

    fn across(&self, value: f64) -> f64 {
        self.left + self.scale.fraction(value) * (self.right - self.left)
    }
}

/// Its height is returned.
pub(super) fn draw(out: &mut Markup, bars: &Bars, canvas: &Canvas) -> f64 {
    let frame = Frame::new(bars);
    let groups = bars.groups.len().max(1) as f64;
    let row = groups * THICKNESS + BETWEEN;
    let bottom = TOP + row * bars.len().max(1) as f64;
    let height = bottom + 28.0;
    canvas.open(out, height, &[]);
    let scale_note = if bars.axis.log { " (log scale)" } else { "" };
    label(out, (0.0, 13.0), "start", "quiet", &format!("{}{scale_note}", bars.axis.label));
    let mut free_from = 0.0;
    for tick in frame.scale.ticks(6) {
        let (x, half) = (frame.across(tick.value), width_of(&tick.label) / 2.0);
        rule(out, "grid", (x, TOP), (x, bottom));
        if x - half >= free_from {
            label(out, (x, bottom + 17.0), "middle", "tick", &tick.label);
            free_from = x + half + 8.0;
        }
    }
    for category in 0..bars.len() {
        let top = TOP + row * category as f64 + BETWEEN / 2.0;
        out.open("g", &[]).element("title", &[], &bars.name(category));
        let middle = top + groups * THICKNESS / 2.0 + 4.0;
        let edge = frame.left - 8.0 - if frame.base > frame.left { NUMBER } else { 0.0 };
        label(out, (edge, middle), "end", "name", &text::shorten(&bars.name(category), MOST_LETTERS));
        for group in 0..bars.groups.len() {
            bar(out, bars.value(group, category), group, top + group as f64 * THICKNESS, &frame);
        }
        out.close();
    }
    rule(out, "axis", (frame.base, TOP), (frame.base, bottom));
    if bars.len() == 0 {
        label(out, (WIDTH / 2.0, TOP + 16.0), "middle", "quiet", "no data");
    }
    out.close();
    height
}

fn bar(out: &mut Markup, value: f64, group: usize, top: f64, frame: &Frame) {
    let baseline = top + THICKNESS / 2.0 + 4.0;
    if !drawable(value, frame.log) {
        let words = if value.is_nan() { "–".to_owned() } else { format::number(value, 4) };
        label(out, (frame.base + 5.0, baseline), "start", "quiet", &words);
        return;
    }
    let end = frame.across(value);
    let (from, to) = (frame.base.min(end), frame.base.max(end));
    let class = format!("bar {}", Look::of(group).class);
    rectangle(out, (from, top + 1.5), (to - from, THICKNESS - 3.0), &[("class", &class)]);
    let (x, anchor) = if end < frame.base { (end - 5.0, "end") } else { (end + 5.0, "start") };
    label(out, (x, baseline), anchor, "tick", &format::number(value, 4));
}

#[cfg(test)]
mod tests {
    use crate::html::markup::Markup;
    use crate::{Axis, Bars, Group, Plot};

    fn svg(bars: Bars) -> String {
        let mut out = Markup::new();
        crate::svg::draw(&mut out, &Plot::from(bars), "p");
        out.finish()
    }

    #[test]
    fn bars_of_both_signs_leave_the_same_base() {
        let svg =
            svg(Bars::new("t", Axis::linear("gain")).bar("up", 2.0).bar("down", -2.0).bar("none", f64::NAN));
        let rects: Vec<&str> = svg.split("<rect ").skip(1).collect();
        let number = |rect: &str, name: &str| -> f64 {
            rect.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert_eq!(rects.len(), 2);
        let base = number(rects[0], " x").min(number(rects[0], "x"));
        let (left, width) = (number(rects[1], "x"), number(rects[1], "width"));
        assert!((left + width - base).abs() < 0.02 && (width - number(rects[0], "width")).abs() < 0.02);
        assert!(svg.contains(">–<"));
    }

    #[test]
    fn every_group_and_category_is_drawn_on_a_log_axis_too() {
        let group = |name: &str, values: &[f64]| Group { name: name.into(), values: values.to_vec() };
        let bars = Bars {
            axis: Axis::log("error"),
            categories: vec!["a".into(), "b".into()],
            groups: vec![group("x", &[1e-5, 1.0, 0.5]), group("y", &[0.0, -1.0, 1e-310])],
            ..Bars::default()
        };
        let svg = svg(bars);
        assert_eq!(svg.matches("<rect ").count(), 3, "{svg}");
        assert!(svg.contains(">1e-310<"), "too small for the axis: {svg}");
        assert!(svg.contains(">3<") && !svg.contains("NaN") && !svg.contains("\"inf"), "{svg}");
    }

    #[test]
    fn no_bars_say_so() {
        assert!(svg(Bars::new("t", Axis::linear(""))).contains(">no data<"));
    }
}
