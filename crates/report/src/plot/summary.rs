//! What a plot shows, in words: for those who do not see it.

use super::{Bars, Heat, Plot, Series, trace};
use crate::format;

impl Plot {
    /// What the plot shows, in words, for those who do not see it.
    pub fn summary(&self) -> String {
        match self {
            Self::Lines(lines) if lines.series.is_empty() => "No data.".to_owned(),
            Self::Lines(lines) => {
                let of = |series: &Series| series.summary(lines.x.log, lines.y.log);
                lines.series.iter().map(of).collect::<Vec<_>>().join(" ")
            }
            Self::Bars(bars) => bars.summary(),
            Self::Heat(heat) => heat.summary(),
        }
    }
}

impl Series {
    fn summary(&self, x_log: bool, y_log: bool) -> String {
        let shown: Vec<_> = trace::runs(&self.points, x_log, y_log).concat();
        let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
            return format!("{}: no data.", self.name);
        };
        let below = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let lowest = shown.iter().min_by(below).unwrap_or(first);
        let highest = shown.iter().max_by(below).unwrap_or(first);
        let say = |value: f64| format::number(value, 4);
        format!(
            "{}: {} points, from {} at {} to {} at {}; lowest {} at {}, highest {} at {}.",
            self.name,
            format::count(shown.len() as u64),
            say(first.1),
            say(first.0),
            say(last.1),
            say(last.0),
            say(lowest.1),
            say(lowest.0),
            say(highest.1),
            say(highest.0)
        )
    }
}

impl Bars {
    fn summary(&self) -> String {
        let finite = (0..self.len())
            .flat_map(|category| (0..self.groups.len()).map(move |group| (group, category)))
            .map(|(group, category)| (self.value(group, category), category))
            .filter(|(value, _)| value.is_finite());
        let ordered = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0);
        match (finite.clone().min_by(ordered), finite.max_by(ordered)) {
            (Some(low), Some(high)) => format!(
                "{} bars of {}: lowest {} at {}, highest {} at {}.",
                self.len(),
                self.axis.label,
                format::number(low.0, 4),
                self.name(low.1),
                format::number(high.0, 4),
                self.name(high.1)
            ),
            _ => "No data.".to_owned(),
        }
    }
}

impl Heat {
    fn summary(&self) -> String {
        let finite = || self.values.iter().flatten().copied().filter(|value| value.is_finite());
        let (rows, columns) = self.shape();
        match (finite().reduce(f64::min), finite().reduce(f64::max)) {
            (Some(low), Some(high)) => format!(
                "{rows} rows by {columns} columns of {}: lowest {}, highest {}.",
                self.value.label,
                format::number(low, 4),
                format::number(high, 4)
            ),
            _ => "No data.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Lines};

    #[test]
    fn summaries_tell_the_extremes() {
        let points = [(0.0, 3.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)];
        let lines =
            Lines::new("t", Axis::linear("step"), Axis::linear("loss")).series(Series::new("train", points));
        let expected = "train: 3 points, from 3 at 0 to 2 at 3; lowest 1 at 2, highest 3 at 0.";
        assert_eq!(Plot::from(lines).summary(), expected);
        let bars = Bars::new("t", Axis::linear("size")).bar("a", 2.0).bar("b", f64::NAN).bar("c", -1.0);
        assert_eq!(Plot::from(bars).summary(), "3 bars of size: lowest -1 at c, highest 2 at a.");
        assert_eq!(Plot::from(Heat::default()).summary(), "No data.");
    }
}
