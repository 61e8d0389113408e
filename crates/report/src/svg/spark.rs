//! A sparkline for a cell of a table: a line without axes, its last number marked.

use super::{Look, px};
use crate::html::markup::Markup;
use crate::plot::{scale::Scale, trace};
use crate::{Lines, Plot, Series};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 20.0;

/// Room for the marker and for the width of the line.
const MARGIN: f64 = 4.0;

/// Draws the numbers in their order; a number that is none is a gap.
pub(crate) fn spark(out: &mut Markup, values: &[f64]) {
    let points: Vec<(f64, f64)> = (0u32..).map(f64::from).zip(values.iter().copied()).collect();
    let runs = trace::runs(&points, false, false);
    let x = Scale::covering(points.iter().map(|point| point.0), false);
    let y = Scale::covering(runs.iter().flatten().map(|point| point.1), false);
    let place = |point: &(f64, f64)| {
        let across = MARGIN + x.fraction(point.0) * (WIDTH - 2.0 * MARGIN);
        (across, HEIGHT - MARGIN - y.fraction(point.1) * (HEIGHT - 2.0 * MARGIN))
    };
    let mut shape = String::new();
    for run in &runs {
        let run = trace::thinned(run, |at| (x.fraction(at) * WIDTH) as i64);
        for (index, point) in run.iter().enumerate() {
            let (across, down) = place(point);
            shape.push_str(&format!("{}{} {}", if index == 0 { 'M' } else { 'L' }, px(across), px(down)));
        }
    }
    let words = Plot::from(Lines::default().series(Series::new("line", points.iter().copied()))).summary();
    let seen = format!("0 0 {WIDTH} {HEIGHT}");
    out.open("svg", &[("class", "spark"), ("viewBox", &*seen), ("role", "img"), ("aria-label", &*words)]);
    let look = Look::of(0);
    if let Some(last) = runs.last().and_then(|run| run.last()) {
        out.empty("path", &[("class", &*format!("line {}", look.class)), ("d", &*shape)]);
        let (across, down) = place(last);
        look.marker(out, across, down);
    }
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lift_the_pen_and_the_last_number_is_marked() {
        let mut out = Markup::new();
        spark(&mut out, &[1.0, 2.0, f64::NAN, 0.0]);
        let svg = out.finish();
        assert!(svg.contains("d=\"M4 10L33.33 4M92 16\"") && svg.contains("cx=\"92\" cy=\"16\""), "{svg}");
        assert!(svg.contains("aria-label=\"line: 3 points, from 1 at 0 to 0 at 3;"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        for values in [vec![], vec![f64::NAN]] {
            let mut out = Markup::new();
            spark(&mut out, &values);
            assert!(!out.finish().contains("<path"));
        }
    }
}
