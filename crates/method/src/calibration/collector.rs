//! The statistics of one weight's inputs, gathered batch by batch.

use super::{Needs, Statistics, tracked::Tracked};
use rankine_linalg::{Result, SecondMoment};
use rankine_random::Rng;

/// Gathers what a method needs of rows of `columns` numbers.
pub struct Collector {
    columns: usize,
    rows: usize,
    second_moment: Option<SecondMoment>,
    /// Σ|x|; [columns].
    magnitudes: Option<Vec<f64>>,
    /// Σx²; [columns].
    squares: Option<Vec<f64>>,
    principal: Option<Tracked>,
}

impl Collector {
    /// Nothing seen yet; a randomised SVD draws from `rng`.
    pub fn new(needs: &Needs, columns: usize, rng: Rng) -> Self {
        Self {
            columns,
            rows: 0,
            second_moment: needs.second_moment.then(|| SecondMoment::new(columns)),
            magnitudes: needs.magnitude.then(|| vec![0.0; columns]),
            squares: needs.square.then(|| vec![0.0; columns]),
            principal: needs.principal.map(|wanted| Tracked::new(wanted, columns, rng)),
        }
    }

    /// Takes some rows in; x: [rows, columns]. Nothing happens where there are none.
    ///
    /// # Errors
    /// When an entry is not finite, or the slice is no number of rows.
    pub fn see(&mut self, x: &[f32]) -> Result<()> {
        let rows = x.len() / self.columns.max(1);
        if x.is_empty() {
            return Ok(());
        }
        if let Some(principal) = &mut self.principal {
            principal.see(x, rows)?;
        }
        if let Some(moment) = &mut self.second_moment {
            moment.partial_fit(x, rows)?;
        }
        if let Some(magnitudes) = &mut self.magnitudes {
            for row in x.chunks_exact(self.columns) {
                magnitudes.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x.abs()));
            }
        }
        if let Some(squares) = &mut self.squares {
            for row in x.chunks_exact(self.columns) {
                squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x).powi(2));
            }
        }
        self.rows += rows;
        Ok(())
    }

    /// What was seen so far.
    pub fn statistics(&self) -> Statistics {
        let rows = self.rows.max(1) as f64;
        let mean = |sums: &Vec<f64>| -> Vec<f64> { sums.iter().map(|sum| sum / rows).collect() };
        Statistics {
            rows: self.rows,
            second_moment: self.second_moment.as_ref().map(SecondMoment::mean),
            magnitude: self.magnitudes.as_ref().map(mean),
            square: self.squares.as_ref().map(mean),
            principal: self.principal.as_ref().map(Tracked::components),
        }
    }

    /// The shares of variance found so far; empty where none are looked for.
    pub(super) fn spectrum(&self) -> Vec<f64> {
        self.principal.as_ref().map(Tracked::spectrum).unwrap_or_default()
    }

    /// Whether the first `rank` directions have converged, where any are looked for.
    pub(super) fn converged(&self, rank: usize) -> bool {
        self.principal.as_ref().is_none_or(|principal| principal.settled(rank))
    }
}
