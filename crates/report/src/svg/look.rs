//! How the series of a plot are told apart: by colour (six that colour-blind readers can tell, defined in `page.css` for
//! light and dark), by dash and by marker.

use super::px;
use crate::html::markup::Markup;

/// Colours in the page's style.
const CLASSES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];

/// Lengths of strokes and gaps; the first is unbroken.
const DASHES: [&str; 5] = ["none", "8 3", "2 2.5", "10 3 2 3", "5 2"];

/// Half the size of a marker.
const RADIUS: f64 = 4.0;

/// Outlines of the markers around the origin, in units of [`RADIUS`]: circle, square, triangle, diamond, triangle
/// downwards, cross.
const MARKERS: [&[(f64, f64)]; 6] = [
    &[],
    &[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    &[(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8)],
    &[(0.0, -1.2), (1.0, 0.0), (0.0, 1.2), (-1.0, 0.0)],
    &[(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8)],
    &[
        (-0.35, -1.1),
        (0.35, -1.1),
        (0.35, -0.35),
        (1.1, -0.35),
        (1.1, 0.35),
        (0.35, 0.35),
        (0.35, 1.1),
        (-0.35, 1.1),
        (-0.35, 0.35),
        (-1.1, 0.35),
        (-1.1, -0.35),
        (-0.35, -0.35),
    ],
];

/// The look of the series at a place in the list.
pub(super) struct Look {
    pub class: &'static str,
    pub dash: &'static str,
    outline: &'static [(f64, f64)],
}

impl Look {
    /// Colours and markers repeat after six, dashes after five: thirty series before two look the same.
    pub fn of(index: usize) -> Self {
        Self {
            class: CLASSES[index % CLASSES.len()],
            dash: DASHES[index % DASHES.len()],
            outline: MARKERS[index % MARKERS.len()],
        }
    }

    /// Draws the marker at a place.
    pub fn marker(&self, out: &mut Markup, x: f64, y: f64) {
        let class = format!("marker {}", self.class);
        if self.outline.is_empty() {
            out.empty(
                "circle",
                &[("class", &class), ("cx", &px(x)), ("cy", &px(y)), ("r", &px(RADIUS * 0.9))],
            );
            return;
        }
        let corner = |(dx, dy): &(f64, f64)| format!("{} {}", px(x + dx * RADIUS), px(y + dy * RADIUS));
        let corners: Vec<String> = self.outline.iter().map(corner).collect();
        out.empty("path", &[("class", &class), ("d", &format!("M{}Z", corners.join("L")))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: &str = include_str!("../html/page.css");

    /// The colours that follow `name:` in the page's style: the light one, then the dark one.
    fn colours(name: &str) -> Vec<[f64; 3]> {
        let of = |hex: &str| {
            [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
        };
        STYLE.split(&format!("{name}: #")).skip(1).map(|rest| of(&rest[..6])).collect()
    }

    fn luminance(colour: &[f64; 3]) -> f64 {
        let linear = |c: f64| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
    }

    #[test]
    fn every_colour_stands_out_from_its_background() {
        let paper = colours("--paper");
        assert_eq!(paper.len(), 3, "light, dark, print");
        // WCAG 2: 3:1 for drawings, 4.5:1 for text.
        for (name, least) in [
            ("--s0", 3.0),
            ("--s1", 3.0),
            ("--s2", 3.0),
            ("--s3", 3.0),
            ("--s4", 3.0),
            ("--s5", 3.0),
            ("--ink", 7.0),
            ("--quiet", 4.5),
            ("--link", 4.5),
            ("--success", 4.5),
            ("--note", 4.5),
            ("--warning", 4.5),
            ("--error", 4.5),
        ] {
            let found = colours(name);
            assert_eq!(found.len(), 3, "{name} in light, dark and print");
            for (colour, paper) in found.iter().zip(&paper) {
                let (a, b) = (luminance(colour), luminance(paper));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= least, "{name} {colour:?}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn thirty_series_look_different() {
        let looks: std::collections::HashSet<_> =
            (0..30).map(|index| (Look::of(index).class, Look::of(index).dash)).collect();
        assert_eq!(looks.len(), 30);
    }
}
