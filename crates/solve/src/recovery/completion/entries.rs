//! Known entries of a matrix, by row and by column.

use crate::recovery::{Factors, pattern::Lines};
use crate::{Error, Result, check};
use rankine_random::Rng;

/// One known entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// From 0.
    pub row: usize,
    /// From 0.
    pub column: usize,
    /// What stands there.
    pub value: f64,
}

/// All known entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries {
    pub(super) by_row: Lines<f64>,
    pub(super) by_column: Lines<f64>,
}

impl Entries {
    /// Checks and keeps entries of a matrix, in any order.
    ///
    /// # Errors
    /// When a size is 0 or beyond 32 bits, or an entry is outside, given twice or not finite.
    pub fn new(rows: usize, columns: usize, entries: &[Entry]) -> Result<Self> {
        for &Entry { row, column, value } in entries {
            if !value.is_finite() {
                return Err(Error::NotFinite { what: "matrix", index: vec![row, column], value });
            }
        }
        let places = entries.iter().map(|entry| (entry.row, entry.column, entry.value));
        let [by_row, by_column] = Lines::both(rows, columns, places)?;
        for row in 0..rows {
            let twice = by_row.line(row).0.windows(2).find(|pair| pair[0] == pair[1]);
            if let Some(pair) = twice {
                return Err(Error::Twice { row, column: pair[0] as usize });
            }
        }
        Ok(Self { by_row, by_column })
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.by_row.len()
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.by_column.len()
    }

    /// How many are known; |Ω|.
    pub fn count(&self) -> usize {
        self.by_row.items().len()
    }

    /// Row by row, columns ascending.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + Clone {
        self.by_row.places().map(|(row, column, value)| Entry { row, column, value })
    }

    /// Two parts: the entries that are kept, and about `share` of them, chosen one by one, that are held out.
    ///
    /// # Errors
    /// When the share is not between 0 and 1.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        check::share("holdout", share)?;
        let mut rng = Rng::new(seed).fork("recovery/holdout");
        let (held, kept): (Vec<Entry>, Vec<Entry>) = self.iter().partition(|_| rng.uniform_f64() < share);
        let part = |entries: &[Entry]| Self::new(self.rows(), self.columns(), entries);
        Ok((part(&kept)?, part(&held)?))
    }

    /// So many parts of about the same size, every entry in one of them, chosen by itself.
    ///
    /// # Errors
    /// When one is empty.
    pub(super) fn parts(&self, count: usize, mut rng: Rng) -> Result<Vec<Self>> {
        let mut parts = vec![Vec::new(); count];
        self.iter().for_each(|entry| parts[rng.below(count)].push(entry));
        let part = |entries: Vec<Entry>| match entries.as_slice() {
            [] => Err(Error::Empty { what: "a part of the known entries, which are split" }),
            entries => Self::new(self.rows(), self.columns(), entries),
        };
        parts.into_iter().map(part).collect()
    }

    /// The same places with other values.
    pub(super) fn with(&self, value: impl Fn(Entry) -> f64) -> Result<Self> {
        let entries: Vec<Entry> = self.iter().map(|entry| Entry { value: value(entry), ..entry }).collect();
        Self::new(self.rows(), self.columns(), &entries)
    }

    /// Σ M_ij².
    pub(super) fn squares(&self) -> f64 {
        self.by_row.items().iter().map(|value| value * value).sum()
    }

    /// The root of the mean of (M_ij − predicted)²; NaN where nothing is known.
    pub fn rmse(&self, predict: impl Fn(usize, usize) -> f64) -> f64 {
        let squares = self.iter().map(|entry| (entry.value - predict(entry.row, entry.column)).powi(2));
        (squares.sum::<f64>() / self.count() as f64).sqrt()
    }

    /// [`Entries::rmse`] of a product.
    pub fn rmse_of(&self, factors: &Factors) -> f64 {
        self.rmse(|i, j| factors.entry(i, j))
    }
}
