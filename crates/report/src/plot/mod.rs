//! What a plot shows: lines, bars or a heat map. How it is drawn is the face's business.

pub(crate) mod scale;
pub(crate) mod shade;
mod summary;
pub(crate) mod trace;

use crate::text;

/// A picture of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    /// Series of points over a common axis.
    Lines(Lines),
    /// A length for each category.
    Bars(Bars),
    /// A colour for each pair of row and column.
    Heat(Heat),
}

/// Series of points over a common axis; a point that is not finite (or not positive on a log axis) is a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// What the plot shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the most important first.
    pub series: Vec<Series>,
    /// Weight of the past in the exponential moving average drawn over the faint raw lines; in 0..1, as in TensorBoard.
    pub smoothing: Option<f64>,
}

/// A named sequence of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Pairs (x, y) in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// How they are joined.
    pub style: Style,
}

/// How the points of a series are drawn. Colour, dash and marker follow from the place in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line, with a few markers to tell it from others; the only style that is smoothed.
    #[default]
    Line,
    /// A line with a marker on every point: for a few measurements far apart.
    Marked,
    /// Markers alone.
    Points,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
}

/// Horizontal bars, one group for each category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// What the plot shows.
    pub title: String,
    /// The axis along the bars.
    pub axis: Axis,
    /// The names down the side.
    pub categories: Vec<String>,
    /// One bar of every category each.
    pub groups: Vec<Group>,
}

/// One bar for every category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The name in the legend; may be empty where there is one group.
    pub name: String,
    /// The lengths, in the order of the categories; too few are missing.
    pub values: Vec<f64>,
}

/// A heat map. Values of both signs get two hues that meet at zero, others one scale from dark to light.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heat {
    /// What the plot shows.
    pub title: String,
    /// What the colours measure.
    pub value: Axis,
    /// Names of the rows, top to bottom.
    pub rows: Vec<String>,
    /// Names of the columns, left to right.
    pub columns: Vec<String>,
    /// The values; [rows, columns], missing ones are drawn as such.
    pub values: Vec<Vec<f64>>,
}

impl Axis {
    /// An axis with equal distances.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: false }
    }

    /// An axis with equal ratios.
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: true }
    }
}

impl Series {
    /// Points joined by a line.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect(), style: Style::Line }
    }

    /// The same points drawn in another way.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}

impl Lines {
    /// A plot without series.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, series: Vec::new(), smoothing: None }
    }

    /// The same plot with one more series.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The same plot with smoothed lines over faint raw ones; `weight` of the past in 0..1.
    pub fn smoothing(mut self, weight: f64) -> Self {
        self.smoothing = Some(weight);
        self
    }

    /// The weight of the past, where there is something to smooth with.
    pub(crate) fn smoothing_weight(&self) -> Option<f64> {
        self.smoothing.filter(|weight| (f64::MIN_POSITIVE..1.0).contains(weight))
    }
}

impl Bars {
    /// A plot without bars.
    pub fn new(title: impl Into<String>, axis: Axis) -> Self {
        Self { title: title.into(), axis, ..Self::default() }
    }

    /// The same plot with one more bar, in its first group.
    pub fn bar(mut self, category: impl Into<String>, value: f64) -> Self {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        self.groups[0].values.resize(self.categories.len(), f64::NAN);
        self.groups[0].values.push(value);
        self.categories.push(category.into());
        self
    }

    /// The length of one bar; NaN where there is none.
    pub(crate) fn value(&self, group: usize, category: usize) -> f64 {
        self.groups.get(group).and_then(|group| group.values.get(category)).copied().unwrap_or(f64::NAN)
    }

    /// How many categories are drawn: the named ones and those that only have values.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.values.len()).max().unwrap_or(0).max(self.categories.len())
    }

    /// The name of a category, on one line.
    pub(crate) fn name(&self, category: usize) -> String {
        self.categories
            .get(category)
            .map_or_else(|| (category + 1).to_string(), |name| text::clean_line(name))
    }
}

impl Heat {
    /// A heat map of `values`; [rows, columns].
    pub fn new(title: impl Into<String>, value: Axis, values: Vec<Vec<f64>>) -> Self {
        Self { title: title.into(), value, values, ..Self::default() }
    }

    /// The same map with names for its rows and columns.
    pub fn names(
        mut self,
        rows: impl IntoIterator<Item = String>,
        columns: impl IntoIterator<Item = String>,
    ) -> Self {
        self.rows = rows.into_iter().collect();
        self.columns = columns.into_iter().collect();
        self
    }

    /// Rows and columns that are drawn: the named ones and those that only have values.
    pub(crate) fn shape(&self) -> (usize, usize) {
        let widest = self.values.iter().map(Vec::len).max().unwrap_or(0);
        (self.values.len().max(self.rows.len()), widest.max(self.columns.len()))
    }

    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.values.get(row).and_then(|values| values.get(column)).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn row_name(&self, row: usize) -> String {
        self.rows.get(row).map_or_else(|| (row + 1).to_string(), |name| text::clean_line(name))
    }

    pub(crate) fn column_name(&self, column: usize) -> String {
        self.columns.get(column).map_or_else(|| (column + 1).to_string(), |name| text::clean_line(name))
    }

    /// The same map with at most `rows` × `columns` cells, each the mean of the finite values it stands for.
    pub(crate) fn binned(&self, rows: usize, columns: usize) -> Self {
        let (height, width) = self.shape();
        let (tall, wide) = (height.div_ceil(rows.max(1)).max(1), width.div_ceil(columns.max(1)).max(1));
        if tall == 1 && wide == 1 {
            return self.clone();
        }
        let mean = |top: usize, left: usize| {
            let places = (top..(top + tall).min(height))
                .flat_map(|row| (left..(left + wide).min(width)).map(move |column| (row, column)));
            let (sum, finite) = places
                .map(|(row, column)| self.at(row, column))
                .filter(|value| value.is_finite())
                .fold((0.0, 0.0), |(sum, finite), value| (sum + value, finite + 1.0));
            sum / finite
        };
        let (tops, lefts) = ((0..height).step_by(tall), (0..width).step_by(wide));
        Self {
            title: self.title.clone(),
            value: self.value.clone(),
            rows: tops.clone().map(|top| self.row_name(top)).collect(),
            columns: lefts.clone().map(|left| self.column_name(left)).collect(),
            values: tops.map(|top| lefts.clone().map(|left| mean(top, left)).collect()).collect(),
        }
    }
}

impl Plot {
    /// What the plot is called.
    pub fn title(&self) -> &str {
        match self {
            Self::Lines(Lines { title, .. })
            | Self::Bars(Bars { title, .. })
            | Self::Heat(Heat { title, .. }) => title,
        }
    }
}

impl From<Lines> for Plot {
    fn from(lines: Lines) -> Self {
        Self::Lines(lines)
    }
}

impl From<Bars> for Plot {
    fn from(bars: Bars) -> Self {
        Self::Bars(bars)
    }
}

impl From<Heat> for Plot {
    fn from(heat: Heat) -> Self {
        Self::Heat(heat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_map_is_averaged_and_keeps_its_shape() {
        let values = (0..5).map(|row| (0..4).map(|column| f64::from(row * 4 + column)).collect()).collect();
        let mut heat = Heat::new("t", Axis::default(), values);
        heat.values[4][3] = f64::NAN;
        let binned = heat.binned(3, 2);
        assert_eq!(binned.shape(), (3, 2));
        assert_eq!(binned.values, [[2.5, 4.5], [10.5, 12.5], [16.5, 18.0]]);
        assert_eq!(binned.rows, ["1", "3", "5"]);
        assert_eq!(heat.binned(5, 4).values[0], heat.values[0]);
    }
}
