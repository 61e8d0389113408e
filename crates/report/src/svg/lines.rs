//! Lines over two axes: a grid with labelled ticks, faint raw lines under smoothed ones, gaps where there is no number.

use super::look::Look;
use super::{Canvas, WIDTH, label, px, rule, width_of};
use crate::html::markup::Markup;
use crate::plot::scale::{Scale, Tick};
use crate::plot::trace;
use crate::{Axis, Lines, Series, Style};

const HEIGHT: f64 = 330.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = HEIGHT - 44.0;
const RIGHT: f64 = WIDTH - 22.0;

/// Distance between the markers that tell one line from another.
const MARKER_DISTANCE: f64 = 130.0;

/// More markers than this on a line of measurements hide it.
const MOST_MARKERS: usize = 120;

/// The drawing area and both scales.
struct Frame {
    left: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.left + self.x.fraction(x) * (RIGHT - self.left), BOTTOM - self.y.fraction(y) * (BOTTOM - TOP))
    }

    fn column(&self, x: f64) -> i64 {
        (self.x.fraction(x) * (RIGHT - self.left)) as i64
    }
}

/// Its height is returned.
pub(super) fn draw(out: &mut Markup, lines: &Lines, canvas: &Canvas) -> f64 {
    let shown = |series: &Series| trace::runs(&series.points, lines.x.log, lines.y.log).concat();
    let points: Vec<(f64, f64)> = lines.series.iter().flat_map(shown).collect();
    let x = Scale::covering(points.iter().map(|point| point.0), lines.x.log);
    let y = Scale::covering(points.iter().map(|point| point.1), lines.y.log).padded(0.05);
    let y_ticks = y.ticks(7);
    let widest = y_ticks.iter().map(|tick| width_of(&tick.label)).fold(0.0, f64::max);
    let frame = Frame { left: widest + 16.0, x, y };
    open(out, lines, canvas, &frame);
    grid(out, lines, &frame, &y_ticks);
    for (index, series) in lines.series.iter().enumerate() {
        draw_series(out, lines, series, &Look::of(index), &frame);
    }
    if points.is_empty() {
        label(out, ((frame.left + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0), "middle", "quiet", "no data");
    }
    out.close();
    HEIGHT
}

/// Opens the drawing; its data attributes let the script turn places back into values.
fn open(out: &mut Markup, lines: &Lines, canvas: &Canvas, frame: &Frame) {
    let area = [px(frame.left), px(RIGHT), px(TOP), px(BOTTOM)].join(" ");
    let ends = |scale: &Scale| {
        let (low, high) = scale.ends();
        format!("{low:e} {high:e}")
    };
    let logs = format!("{} {}", u8::from(lines.x.log), u8::from(lines.y.log));
    let data = [
        ("data-area", &*area),
        ("data-x", &ends(&frame.x)),
        ("data-y", &ends(&frame.y)),
        ("data-log", &logs),
        ("data-label", &lines.x.label),
    ];
    canvas.open(out, HEIGHT, &data);
}

fn grid(out: &mut Markup, lines: &Lines, frame: &Frame, y_ticks: &[Tick]) {
    for Tick { value, label: words } in y_ticks {
        let height = BOTTOM - frame.y.fraction(*value) * (BOTTOM - TOP);
        rule(out, "grid", (frame.left, height), (RIGHT, height));
        label(out, (frame.left - 8.0, height + 4.0), "end", "tick", words);
    }
    let mut free_from = 0.0;
    for Tick { value, label: words } in frame.x.ticks(8) {
        let across = frame.left + frame.x.fraction(value) * (RIGHT - frame.left);
        rule(out, "grid", (across, BOTTOM), (across, BOTTOM + 5.0));
        let half = width_of(&words) / 2.0;
        let centre = across.min(WIDTH - half - 1.0);
        if centre - half >= free_from {
            label(out, (centre, BOTTOM + 19.0), "middle", "tick", &words);
            free_from = centre + half + 8.0;
        }
    }
    rule(out, "axis", (frame.left, BOTTOM), (RIGHT, BOTTOM));
    label(out, (0.0, 13.0), "start", "quiet", &axis_label(&lines.y));
    label(out, ((frame.left + RIGHT) / 2.0, HEIGHT - 6.0), "middle", "quiet", &axis_label(&lines.x));
}

fn axis_label(axis: &Axis) -> String {
    match (axis.log, axis.label.is_empty()) {
        (false, _) => axis.label.clone(),
        (true, true) => "log scale".to_owned(),
        (true, false) => format!("{} (log scale)", axis.label),
    }
}

fn draw_series(out: &mut Markup, lines: &Lines, series: &Series, look: &Look, frame: &Frame) {
    let runs = |points: &[(f64, f64)]| -> Vec<trace::Run> {
        let thin = |run: trace::Run| trace::thinned(&run, |x| frame.column(x));
        trace::runs(points, lines.x.log, lines.y.log).into_iter().map(thin).collect()
    };
    let raw = runs(&series.points);
    let main = match (lines.smoothing_weight(), series.style) {
        (Some(weight), Style::Line) => {
            path(out, &raw, "faint", series, look, frame);
            runs(&trace::smoothed(&series.points, weight, lines.x.log, lines.y.log))
        }
        _ => raw,
    };
    path(out, &main, if series.style == Style::Points { "dots" } else { "line" }, series, look, frame);
    for place in marked_places(&main, lines.series.len(), series.style, frame) {
        look.marker(out, place.0, place.1);
    }
}

fn path(out: &mut Markup, runs: &[trace::Run], kind: &str, series: &Series, look: &Look, frame: &Frame) {
    let mut shape = String::new();
    for run in runs {
        for (index, point) in run.iter().enumerate() {
            let (x, y) = frame.place(*point);
            shape.push_str(&format!("{}{} {}", if index == 0 { 'M' } else { 'L' }, px(x), px(y)));
        }
    }
    if shape.is_empty() {
        return;
    }
    let class = format!("{kind} {}", look.class);
    let dash = if kind == "line" { look.dash } else { "none" };
    out.empty(
        "path",
        &[("class", &class), ("d", &shape), ("stroke-dasharray", dash), ("data-name", &series.name)],
    );
}

/// Where markers stand: on every point of a few, on lone points, and now and then along a line among others.
fn marked_places(runs: &[trace::Run], series: usize, style: Style, frame: &Frame) -> Vec<(f64, f64)> {
    let all = || runs.iter().flatten().map(|point| frame.place(*point));
    let few = all().count() <= MOST_MARKERS;
    match style {
        Style::Points => all().collect(),
        Style::Marked if few => all().collect(),
        _ => {
            let mut places: Vec<_> =
                runs.iter().filter(|run| run.len() == 1).map(|run| frame.place(run[0])).collect();
            if series > 1 {
                let mut last = f64::NEG_INFINITY;
                for place in all() {
                    if place.0 - last >= MARKER_DISTANCE {
                        last = place.0;
                        places.push(place);
                    }
                }
            }
            places
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::html::markup::Markup;
    use crate::{Axis, Lines, Plot, Series, Style};

    fn svg(lines: Lines) -> String {
        let mut out = Markup::new();
        crate::svg::draw(&mut out, &Plot::from(lines), "p");
        out.finish()
    }

    fn plain() -> Lines {
        Lines::new("t", Axis::linear("step"), Axis::linear("loss"))
    }

    /// The shape of the first path of a class.
    fn shape(svg: &str, class: &str) -> String {
        let rest = svg.split(&format!("<path class=\"{class} s0\" d=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    #[test]
    fn a_gap_lifts_the_pen_and_a_lone_point_gets_a_marker() {
        let points = [
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, f64::INFINITY),
            (5.0, 2.0),
            (6.0, 2.0),
        ];
        let svg = svg(plain().series(Series::new("a", points)));
        assert_eq!(shape(&svg, "line").matches('M').count(), 3);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn every_coordinate_is_inside_the_drawing() {
        let wild =
            [(0.0, -1e250), (1.0, 1e250), (2.0, 5e-324), (1e249, 0.0), (f64::MAX, 1.0), (3.0, f64::MIN)];
        for log in [false, true] {
            let axis = || Axis { label: String::new(), log };
            let svg = svg(Lines::new("", axis(), axis()).series(Series::new("a", wild)));
            let shape = shape(&svg, "line");
            for pair in shape.split(['M', 'L']).filter(|pair| !pair.is_empty()) {
                let (x, y) = pair.split_once(' ').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((0.0..=720.0).contains(&x) && (0.0..=330.0).contains(&y), "{pair}");
            }
        }
    }

    #[test]
    fn nothing_to_draw_says_so() {
        for lines in [
            plain(),
            plain().series(Series::new("a", [])),
            plain().series(Series::new("a", [(f64::NAN, 1.0)])),
        ] {
            assert!(svg(lines).contains(">no data<"));
        }
        assert!(!svg(plain().series(Series::new("a", [(1.0, 1.0)]))).contains(">no data<"));
    }

    #[test]
    fn thousands_of_points_stay_a_small_file() {
        let points = (0..200_000).map(|i| (f64::from(i), (f64::from(i) * 0.618_034).fract()));
        let svg = svg(plain().series(Series::new("a", points)).smoothing(0.9));
        assert!(svg.len() < 120_000, "{}", svg.len());
        assert!(svg.contains("class=\"faint s0\"") && svg.contains("class=\"line s0\""));
    }

    #[test]
    fn points_are_not_joined() {
        let svg = svg(plain().series(Series::new("a", [(0.0, 1.0), (1.0, 2.0)]).style(Style::Points)));
        assert!(svg.contains("class=\"dots s0\"") && svg.matches("<circle").count() == 2);
        assert!(!svg.contains("class=\"line s0\""));
    }
}
