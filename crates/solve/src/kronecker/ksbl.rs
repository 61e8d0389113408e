//! KSBL: product variances with one alternation a step, what was there before [kronecker_sbl].
//!
//! As [`super::am`] with a single pass: the evidence rises at every step, by less.

use super::am::alternate;
use super::bayes::{Bayesian, Factor, Start};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KroSbl {
    /// Share of the largest variance of its factor below which an entry is given up.
    pub prune: f64,
    /// What the variances start at.
    pub start: Start,
}

impl Default for KroSbl {
    fn default() -> Self {
        Self { prune: 1e-2, start: Start::Times(0.01) }
    }
}

impl Bayesian for KroSbl {
    fn prune(&self) -> f64 {
        self.prune
    }

    fn start_at(&self) -> Start {
        self.start
    }

    fn maximize(&self, moments: &[f64], factors: &[Factor]) -> Result<Vec<Vec<f64>>> {
        alternate(moments, factors, (0.0, 1), |_, target| Ok(target))
    }
}
