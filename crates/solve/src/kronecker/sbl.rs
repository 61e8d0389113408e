//! SBL: a variance for every entry of x, whatever the structure of the dictionary.
//!
//!     g ← L = E|x|² under the posterior
//!
//! Forms the dictionary, O(M·N) memory with M = Π M_i and N = Π N_i; a step costs O(M²·N + M³). Tipping 2001, Wipf and Rao
//! 2004; the baseline of [kronecker_sbl].

use super::KroneckerRecovery;
use super::bayes::{Bayesian, Factor, Start};
use crate::Result;
use faer::{Mat, c64};
use rankine_linalg::kronecker;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sbl {
    /// Share of the largest variance below which an entry is given up.
    pub prune: f64,
    /// What the variances start at.
    pub start: Start,
}

impl Default for Sbl {
    fn default() -> Self {
        Self { prune: 1e-3, start: Start::Times(0.1) }
    }
}

impl Bayesian for Sbl {
    fn prune(&self) -> f64 {
        self.prune
    }

    fn start_at(&self) -> Start {
        self.start
    }

    fn dictionaries(&self, problem: &KroneckerRecovery) -> Vec<Mat<c64>> {
        vec![kronecker(&problem.factors().iter().map(Mat::as_ref).collect::<Vec<_>>())]
    }

    fn maximize(&self, moments: &[f64], _: &[Factor]) -> Result<Vec<Vec<f64>>> {
        Ok(vec![moments.to_vec()])
    }
}
