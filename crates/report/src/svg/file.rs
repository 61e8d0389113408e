//! A plot as a file of its own: title, legend and drawing, with the page's style inside, so that it follows light and dark
//! wherever it is shown.

use super::{ADVANCE, LETTER, Legend, WIDTH, draw, label, px, rectangle, swatch, width_of};
use crate::Plot;
use crate::html::{STYLE, markup::Markup};

/// Space around everything.
const MARGIN: f64 = 16.0;

/// Distance of two lines of the legend.
const LINE: f64 = 20.0;

/// Across one swatch with the gap behind it.
const SWATCH: f64 = 38.0;

/// The plot as the text of an SVG file.
pub(crate) fn file(plot: &Plot) -> String {
    let mut drawing = Markup::new();
    let drawn = draw(&mut drawing, plot, "plot");
    let mut legend = Markup::new();
    let top = MARGIN + LETTER + 8.0;
    let top = top + write_legend(&mut legend, plot, top);
    let (width, height) = (WIDTH + 2.0 * MARGIN, top + drawn + MARGIN);
    let mut out = Markup::new();
    let size = [px(width), px(height)];
    let seen = format!("0 0 {} {}", size[0], size[1]);
    out.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("width", &*size[0]),
            ("height", &*size[1]),
            ("viewBox", &*seen),
            ("font-family", "system-ui, sans-serif"),
        ],
    );
    out.element_raw("style", &[STYLE]);
    rectangle(&mut out, (0.0, 0.0), (width, height), &[("class", "sheet")]);
    label(&mut out, (MARGIN, MARGIN + LETTER), "start", "title", plot.title());
    out.nested(legend);
    let place = [px(MARGIN), px(top), px(WIDTH), px(drawn)];
    out.open("svg", &[("x", &*place[0]), ("y", &*place[1]), ("width", &*place[2]), ("height", &*place[3])]);
    out.nested(drawing);
    out.finish()
}

/// Writes the legend below `top`; returns its height.
fn write_legend(out: &mut Markup, plot: &Plot, top: f64) -> f64 {
    let Some(Legend { names, smoothing }) = Legend::of(plot) else {
        return 0.0;
    };
    let (mut x, mut y) = (MARGIN, top + 6.0);
    for (index, name) in names.into_iter().enumerate() {
        let across = SWATCH + width_of(name) + 2.0 * ADVANCE;
        if x + across > WIDTH + MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        let place = [px(x), px(y), "30".to_owned(), "12".to_owned()];
        swatch(
            out,
            plot,
            index,
            &[("x", &place[0]), ("y", &place[1]), ("width", &place[2]), ("height", &place[3])],
        );
        label(out, (x + SWATCH, y + 10.0), "start", "name", name);
        x += across;
    }
    if let Some(words) = smoothing {
        y += LINE;
        label(out, (MARGIN, y + 10.0), "start", "quiet", &words);
    }
    y + LINE + 6.0 - top
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Bars, Lines, Series};

    #[test]
    fn a_file_holds_title_legend_and_drawing_and_needs_nothing_else() {
        let series = |name: &str| Series::new(name, [(0.0, 1.0), (1.0, 2.0)]);
        let lines = Lines::new("Loss <of> both", Axis::linear("step"), Axis::log("loss"));
        let text = file(&lines.series(series("LoRA")).series(series("PiSSA")).into());
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"752\""));
        for part in
            ["Loss &lt;of&gt; both</text>", ">LoRA</text>", ">PiSSA</text>", "prefers-color-scheme: dark"]
        {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
        assert!(!text.replace("http://www.w3.org/2000/svg", "").contains("http"));
    }

    #[test]
    fn many_names_take_several_lines() {
        let height = |count: usize| {
            let mut bars = Bars::new("t", Axis::linear("x")).bar("a", 1.0);
            bars.groups = (0..count)
                .map(|index| crate::Group { name: format!("a rather long name {index}"), values: vec![1.0] })
                .collect();
            write_legend(&mut Markup::new(), &bars.into(), 0.0)
        };
        assert_eq!(height(3) + LINE, height(6));
    }
}
