//! The second moment of rows that arrive batch by batch: Σ xᵀ·x / N        x: [n, d], N rows in all
//!
//! Not about the mean. Products and sums are in double precision: one large row must not drown the others.

use crate::{Result, dense};
use faer::Mat;

/// Σ xᵀ·x of all rows seen so far.
#[derive(Clone, Debug)]
pub struct SecondMoment {
    columns: usize,
    rows: usize,
    /// [columns, columns].
    sum: Mat<f64>,
}

impl SecondMoment {
    /// Nothing seen yet.
    pub fn new(columns: usize) -> Self {
        Self { columns, rows: 0, sum: Mat::zeros(columns, columns) }
    }

    /// Takes a batch in; x: row-major [rows, columns].
    ///
    /// # Errors
    /// When the slice does not fit the shape, is empty or has an entry that is not finite; what was seen before stays.
    pub fn partial_fit(&mut self, x: &[f32], rows: usize) -> Result<()> {
        dense::check(x, rows, self.columns)?;
        self.sum += dense::gram(dense::widen(x, rows, self.columns).transpose());
        self.rows += rows;
        Ok(())
    }

    /// The mean over the rows, symmetric; [columns, columns]. All 0 where nothing was seen.
    pub fn mean(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.sum.col_iter().flat_map(|column| column.iter().map(|x| x / rows).collect::<Vec<_>>()).collect()
    }
}
