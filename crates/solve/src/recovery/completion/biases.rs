//! What a row and a column add to all their entries, as users and films do to ratings.
//!
//!     M_ij ≈ mean + b_i + c_j        b_i = Σ_j (M_ij − mean − c_j) / (|Ω^i| + damping), c_j alike
//!
//! The damping draws those of which little is known to 0.

use super::{Entries, Entry};
use crate::Result;
use crate::check::within;
use crate::recovery::pattern::Lines;

/// Rounds over rows and columns: they settle after a few.
const ROUNDS: usize = 10;

/// Biases of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Biases {
    /// Of all entries.
    pub mean: f64,
    /// b; [rows].
    pub rows: Vec<f64>,
    /// c; [columns].
    pub columns: Vec<f64>,
}

impl Biases {
    /// Those of entries.
    ///
    /// # Errors
    /// When the damping is negative.
    pub fn new(entries: &Entries, damping: f64) -> Result<Self> {
        within("damping", damping, 0.0 <= damping, "a finite number of at least 0; 5 suits ratings")?;
        let total: f64 = entries.by_row.items().iter().sum();
        let mean = total / entries.count().max(1) as f64;
        let (mut rows, mut columns) = (vec![0.0; entries.rows()], vec![0.0; entries.columns()]);
        for _ in 0..ROUNDS {
            fit(&entries.by_row, mean, damping, &mut rows, &columns);
            fit(&entries.by_column, mean, damping, &mut columns, &rows);
        }
        Ok(Self { mean, rows, columns })
    }

    /// What they say of an entry.
    pub fn predict(&self, i: usize, j: usize) -> f64 {
        self.mean + self.rows[i] + self.columns[j]
    }

    /// What they leave of entries.
    pub(super) fn rest(&self, entries: &Entries) -> Result<Entries> {
        entries.with(|Entry { row, column, value }| value - self.predict(row, column))
    }
}

fn fit(lines: &Lines<f64>, mean: f64, damping: f64, own: &mut [f64], other: &[f64]) {
    for (index, bias) in own.iter_mut().enumerate() {
        let (others, values) = lines.line(index);
        let sum: f64 = others.iter().zip(values).map(|(&at, value)| value - mean - other[at as usize]).sum();
        *bias = if others.is_empty() { 0.0 } else { sum / (others.len() as f64 + damping) };
    }
}
