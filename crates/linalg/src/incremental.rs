//! Principal components of rows that arrive batch by batch.
//!
//!     M = [diag(s)·V; X − b; √(N·n/(N + n))·(μ − b)] = U·diag(s′)·V′      X: [n, d]  b, μ: [d]  V: [k, d]  s: [k]
//!     ξ_j = s_j²/Σ(x − μ)²
//!
//! μ is the mean of the N rows before, b that of the batch. MᵀM is the scatter of all N + n rows about their new mean, but
//! for what the cut to k components loses: exact where k reaches their rank, whatever the batches. A batch may have fewer
//! rows than there are components. Names are scikit-learn's; signs are fixed as in [`Svd`](crate::Svd). Means and sums are
//! kept in f64. One batch costs the SVD of [k + n + 1, d].
//! Paper: [eva]. Departure: components that are not there yet are missing, where scikit-learn refuses a short batch.

use crate::{Result, Truncation, dense, truncated};

/// The leading principal components of all rows seen so far.
#[derive(Clone, Debug)]
pub struct IncrementalPca {
    limit: usize,
    columns: usize,
    how: Truncation,
    rows: usize,
    /// μ; [columns].
    mean: Vec<f64>,
    /// Σ(x − μ)² over rows and columns.
    scatter: f64,
    /// V; [k, columns].
    components: Vec<f32>,
    /// s; [k].
    singular_values: Vec<f32>,
}

impl IncrementalPca {
    /// Nothing seen yet; `components` are kept, at least one and at most `columns`.
    pub fn new(components: usize, columns: usize, how: Truncation) -> Self {
        Self {
            limit: components.clamp(1, columns.max(1)),
            columns,
            how,
            rows: 0,
            mean: vec![0.0; columns],
            scatter: 0.0,
            components: Vec::new(),
            singular_values: Vec::new(),
        }
    }

    /// Takes a batch in; x: row-major [rows, columns].
    ///
    /// # Errors
    /// When the slice does not fit the shape, is empty or has an entry that is not finite; what was seen before stays.
    pub fn partial_fit(&mut self, x: &[f32], rows: usize) -> Result<()> {
        dense::check(x, rows, self.columns)?;
        let (before, batch) = (self.rows as f64, rows as f64);
        let mean = mean(x, self.columns, batch);
        let centred =
            |row: &[f32]| -> Vec<f64> { row.iter().zip(&mean).map(|(&x, b)| f64::from(x) - b).collect() };
        let mut scatter = self.scatter;
        let mut stacked = self.scaled();
        for row in x.chunks_exact(self.columns).map(centred) {
            scatter += row.iter().map(|x| x * x).sum::<f64>();
            stacked.extend(row.iter().map(|&x| x as f32));
        }
        if 0 < self.rows {
            let weight = (before * batch / (before + batch)).sqrt();
            let correction: Vec<f64> = self.mean.iter().zip(&mean).map(|(mu, b)| weight * (mu - b)).collect();
            scatter += correction.iter().map(|x| x * x).sum::<f64>();
            stacked.extend(correction.iter().map(|&x| x as f32));
        }
        let height = stacked.len() / self.columns;
        let svd = truncated(&stacked, height, self.columns, self.limit.min(height), self.how)?;
        (self.components, self.singular_values) = (svd.vt, svd.s);
        self.mean
            .iter_mut()
            .zip(mean)
            .for_each(|(mu, b)| *mu = (before * *mu + batch * b) / (before + batch));
        self.scatter = scatter;
        self.rows += rows;
        Ok(())
    }

    /// How many rows were seen.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Orthonormal rows, the one of largest variance first; [k, columns], k at most the number asked for.
    pub fn components(&self) -> &[f32] {
        &self.components
    }

    /// s, descending; [k].
    pub fn singular_values(&self) -> &[f32] {
        &self.singular_values
    }

    /// ξ: the share of the whole variance along every component; [k]. All 0 where all rows are the same.
    pub fn explained_variance_ratio(&self) -> Vec<f64> {
        let share = |&s: &f32| if self.scatter > 0.0 { f64::from(s).powi(2) / self.scatter } else { 0.0 };
        self.singular_values.iter().map(share).collect()
    }

    /// diag(s)·V; [k, columns].
    fn scaled(&self) -> Vec<f32> {
        let rows = self.components.chunks_exact(self.columns).zip(&self.singular_values);
        rows.flat_map(|(row, s)| row.iter().map(move |v| v * s)).collect()
    }
}

/// Mean of every column; [columns].
fn mean(x: &[f32], columns: usize, rows: f64) -> Vec<f64> {
    let mut sum = vec![0.0; columns];
    for row in x.chunks_exact(columns) {
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sum.iter_mut().for_each(|sum| *sum /= rows);
    sum
}
