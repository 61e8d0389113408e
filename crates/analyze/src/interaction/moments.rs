//! Mean and second moment of rows that arrive batch by batch, in double precision:
//!
//!     f̄ = Σ f / n        S = Σ fᵀf / n        G = S − f̄ᵀf̄

use rankine_linalg::{Result, SecondMoment};

/// The first two moments of rows.
#[derive(Clone, Debug)]
pub struct Moments {
    rows: usize,
    /// Σ f; [d].
    sums: Vec<f64>,
    squares: SecondMoment,
}

impl Moments {
    /// Nothing seen yet of rows of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { rows: 0, sums: vec![0.0; width], squares: SecondMoment::new(width) }
    }

    /// Takes rows in; x: [rows, d]. Nothing happens where there are none.
    ///
    /// # Errors
    /// When an entry is not finite, or the slice is no number of rows.
    pub fn see(&mut self, x: &[f32]) -> Result<()> {
        let width = self.sums.len().max(1);
        if x.is_empty() {
            return Ok(());
        }
        self.squares.partial_fit(x, x.len() / width)?;
        for row in x.chunks_exact(width) {
            self.sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        self.rows += x.len() / width;
        Ok(())
    }

    /// n.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// f̄; [d].
    pub fn mean(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.sums.iter().map(|sum| sum / rows).collect()
    }

    /// S; [d, d].
    pub fn second(&self) -> Vec<f64> {
        self.squares.mean()
    }

    /// G; [d, d].
    pub fn covariance(&self) -> Vec<f64> {
        let (mean, mut second) = (self.mean(), self.second());
        for (row, left) in second.chunks_mut(mean.len().max(1)).zip(&mean) {
            row.iter_mut().zip(&mean).for_each(|(entry, right)| *entry -= left * right);
        }
        second
    }
}
