//! The explorer: a map of rows by columns (layers by kinds of matrix) in any of several metrics, and a spectrum behind each cell.
//!
//! A browser lets its reader change the metric and walk from cell to cell; the faces that stand still show the first metric.

use crate::{Axis, Heat};

/// A map with more than one metric and a curve for each cell. Cells that the lists are too short for are missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explorer {
    /// What is explored.
    pub title: String,
    /// Names of the rows, top to bottom: layers.
    pub rows: Vec<String>,
    /// Names of the columns, left to right: kinds of matrix.
    pub columns: Vec<String>,
    /// What the colours can measure, the most telling first.
    pub metrics: Vec<Metric>,
    /// A curve for each cell, row by row; [rows · columns]. Its points stand side by side over the whole width of the
    /// drawing, equally far apart (on a log axis like the logarithms of 1, 2, 3, …), however many there are.
    pub spectra: Vec<Option<Vec<f32>>>,
    /// The tensor that each cell stands for, row by row, empty where there is none; [rows · columns].
    pub labels: Vec<String>,
    /// What lies along the curves, and what they measure.
    pub spectrum_axes: (Axis, Axis),
}

/// One number for each cell of an [`Explorer`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    /// What is measured, with its unit.
    pub name: String,
    /// Whether equal ratios are equally far apart in colour.
    pub log: bool,
    /// The numbers, row by row, NaN where there is none; [rows · columns].
    pub values: Vec<f64>,
}

impl Explorer {
    /// The map of one metric.
    pub(crate) fn map(&self, metric: &Metric) -> Heat {
        let across = self.columns.len();
        let value = |place: usize| metric.values.get(place).copied().unwrap_or(f64::NAN);
        let row = |row: usize| (row * across..(row + 1) * across).map(value).collect();
        Heat {
            title: self.title.clone(),
            value: Axis { label: metric.name.clone(), log: metric.log },
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            values: (0..self.rows.len()).map(row).collect(),
        }
    }

    /// The map of the first metric; without one, nothing but gaps.
    pub(crate) fn first(&self) -> Heat {
        self.metrics.first().map_or_else(|| self.map(&Metric::default()), |metric| self.map(metric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_every_cell_however_short_the_list() {
        let metric = Metric { name: "rank".to_owned(), log: true, values: vec![1.0, 2.0, 3.0] };
        let explorer = Explorer {
            rows: ["0", "1"].map(str::to_owned).to_vec(),
            columns: ["q", "k"].map(str::to_owned).to_vec(),
            metrics: vec![metric],
            ..Explorer::default()
        };
        let map = explorer.first();
        assert_eq!((map.shape(), map.value), ((2, 2), Axis::log("rank")));
        assert_eq!(map.values[0], [1.0, 2.0]);
        assert!(map.values[1][0] == 3.0 && map.values[1][1].is_nan());
        let bare = Explorer { metrics: Vec::new(), ..explorer };
        assert!(bare.first().values.concat().iter().all(|value| value.is_nan()));
    }
}
