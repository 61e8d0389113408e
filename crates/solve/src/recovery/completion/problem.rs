//! The problem and its checks.

use super::{Biases, Entries};
use crate::check::{fits, within};
use crate::recovery::Factors;
use crate::{Error, Result};

/// A completion problem; see the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    entries: Entries,
    rank: usize,
    ridge: f64,
    biases: Option<Biases>,
    validation: Option<Entries>,
}

impl Completion {
    /// Checks and keeps a problem; `rank` is k, `ridge` is λ: 0 for exact entries, about 0.05 for ratings.
    ///
    /// # Errors
    /// When no entry is known, the rank is 0 or above the smaller side, or the ridge is negative.
    pub fn new(entries: Entries, rank: usize, ridge: f64) -> Result<Self> {
        if entries.count() == 0 {
            return Err(Error::Empty { what: "the set of known entries" });
        }
        fits("rank", rank, 1, entries.rows().min(entries.columns()))?;
        Self { entries, rank, ridge: 0.0, biases: None, validation: None }.with_ridge(ridge)
    }

    /// The same problem with another ridge.
    ///
    /// # Errors
    /// When it is negative or not finite.
    pub fn with_ridge(mut self, ridge: f64) -> Result<Self> {
        let range = "a finite number of at least 0; 0 for exact entries, 0.05 for ratings";
        within("ridge", ridge, 0.0 <= ridge, range)?;
        self.ridge = ridge;
        Ok(self)
    }

    /// The problem of what the biases of rows and columns leave; see [`Biases`].
    ///
    /// # Errors
    /// When the damping is negative.
    pub fn centred(mut self, damping: f64) -> Result<Self> {
        let biases = Biases::new(&self.entries, damping)?;
        self.entries = biases.rest(&self.entries)?;
        self.validation = self.validation.map(|held| biases.rest(&held)).transpose()?;
        self.biases = Some(biases);
        Ok(self)
    }

    /// Sets entries aside by which solvers choose when to stop, about `share` of the known ones.
    ///
    /// # Errors
    /// When the share is not between 0 and 1, or either part is empty.
    pub fn validated(mut self, share: f64, seed: u64) -> Result<Self> {
        let (kept, held) = self.entries.split(share, seed)?;
        for (part, what) in
            [(&kept, "the set of entries that are kept"), (&held, "the set of entries held out")]
        {
            if part.count() == 0 {
                return Err(Error::Empty { what });
            }
        }
        (self.entries, self.validation) = (kept, Some(held));
        Ok(self)
    }

    /// The known entries, without those set aside and without the biases.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// k.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// λ.
    pub fn ridge(&self) -> f64 {
        self.ridge
    }

    /// What was taken out of the entries.
    pub fn biases(&self) -> Option<&Biases> {
        self.biases.as_ref()
    }

    /// What was set aside, without the biases.
    pub fn validation(&self) -> Option<&Entries> {
        self.validation.as_ref()
    }

    /// An entry of the completed matrix, biases included.
    pub fn predict(&self, factors: &Factors, i: usize, j: usize) -> f64 {
        self.biases.as_ref().map_or(0.0, |biases| biases.predict(i, j)) + factors.entry(i, j)
    }

    /// The root of the mean squared error of the predictions of entries that were held out.
    pub fn holdout_rmse(&self, factors: &Factors, held: &Entries) -> f64 {
        held.rmse(|i, j| self.predict(factors, i, j))
    }
}
