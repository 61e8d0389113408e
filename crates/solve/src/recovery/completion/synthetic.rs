//! Problems with a known answer.

use super::{Entries, Entry};
use crate::Result;
use crate::check::{fits, not_negative, within};
use crate::recovery::{Factors, orthonormal, spectrum};
use faer::Mat;
use rankine_random::Rng;
use rayon::prelude::*;
use serde::Deserialize;

/// A matrix of which some entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HiddenMatrix {
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// Its rank.
    pub rank: usize,
    /// Its largest singular value over its smallest; those between are in equal ratios.
    pub condition: f64,
    /// p: the probability of an entry to be shown.
    pub share: f64,
    /// Deviation of the normal noise on what is shown, where entries have about the mean square 1; 0: none.
    pub deviation: f64,
    /// Seed of matrix, places and noise.
    pub seed: u64,
}

/// The matrix and what is shown of it.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The whole.
    pub truth: Factors,
    /// What is shown.
    pub entries: Entries,
}

impl Default for HiddenMatrix {
    fn default() -> Self {
        Self { rows: 400, columns: 300, rank: 5, condition: 3.0, share: 0.2, deviation: 0.0, seed: 0 }
    }
}

impl HiddenMatrix {
    /// Draws it: random orthonormal vectors, scaled so that the largest singular value is √(rows·columns); places in time
    /// proportional to their number.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub fn hide(&self) -> Result<Hidden> {
        fits("rank", self.rank, 1, self.rows.min(self.columns))?;
        within("condition", self.condition, 1.0 <= self.condition, "a finite number of at least 1")?;
        not_negative("deviation", self.deviation)?;
        within("share", self.share, 0.0 < self.share && self.share <= 1.0, "above 0 and at most 1")?;
        let rng = Rng::new(self.seed).fork("recovery/hidden");
        let values = spectrum(self.rank, self.condition);
        let part = |count: usize, path: &str| {
            let vectors = orthonormal(count, self.rank, rng.fork(path));
            let scale = |c: usize| (count as f64 * values[c]).sqrt();
            Mat::from_fn(count, self.rank, |i, c| scale(c) * vectors[(i, c)])
        };
        let truth = Factors { left: part(self.rows, "left"), right: part(self.columns, "right") };
        let row = |row: usize| self.row(row, &truth, rng.fork_index("row", row));
        let shown: Vec<Vec<Entry>> = (0..self.rows).into_par_iter().map(row).collect();
        let entries = Entries::new(self.rows, self.columns, &shown.concat())?;
        Ok(Hidden { truth, entries })
    }

    /// What is shown of a row.
    fn row(&self, row: usize, truth: &Factors, mut rng: Rng) -> Vec<Entry> {
        let mut shown = Vec::new();
        let mut column = self.gap(&mut rng);
        while column < self.columns {
            let value = truth.entry(row, column) + self.deviation * rng.normal_f64();
            shown.push(Entry { row, column, value });
            column += 1 + self.gap(&mut rng);
        }
        shown
    }

    /// How many places are passed over before the next that is shown.
    fn gap(&self, rng: &mut Rng) -> usize {
        // 1 − u is in (0, 1]. A share of 1 gives 0/−∞ = 0; `as` is bounded.
        ((1.0 - rng.uniform_f64()).ln() / (-self.share).ln_1p()) as usize
    }
}
