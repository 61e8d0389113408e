//! PC-KroSBL: product variances whose nonzeros stand in blocks.
//!
//!     t_i = floor + C·g_i, g_i ≥ 0        C = tridiagonal(β, 1, β)        x ~ CN(0, diag(t₁ ⊗ … ⊗ t_d))
//!
//! Each variance leans on its neighbours', so that a block lives or dies together. In the alternation of [`super::am`] every
//! closed form goes through non-negative least squares with C; factors whose nonzeros lie apart have t_i = g_i.
//! Neighbours are neighbours in the whole factor, whatever was given up between them.
//! Paper: [kronecker_sbl] §IV, its channels: the first and the last of three factors are in blocks. Departures: it starts at
//! t = 1, not at C·1; one threshold for all factors, the released code takes 0.1 for those apart.

use super::am::{alternate, alternation};
use super::bayes::{Bayesian, Factor, Start};
use crate::Result;
use crate::check::not_negative;
use faer::Mat;
use rankine_linalg::{kronecker_apply, nonnegative_least_squares};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcKroSbl {
    /// β: how much a variance leans on each neighbour's.
    pub coupling: f64,
    /// Factors, from 0, whose nonzeros lie apart.
    pub apart: Vec<usize>,
    /// What every coupled variance has at least.
    pub floor: f64,
    /// Share of the largest variance of its factor below which an entry is given up.
    pub prune: f64,
    /// What the variances start at.
    pub start: Start,
    /// Relative change of the variances that ends the alternation.
    pub tolerance: f64,
    /// Passes of the alternation at most.
    pub passes: usize,
}

impl Default for PcKroSbl {
    fn default() -> Self {
        Self {
            coupling: 0.8,
            apart: vec![1],
            floor: 1e-5,
            prune: 1e-2,
            start: Start::Times(0.003),
            tolerance: 1e-4,
            passes: 9,
        }
    }
}

impl Bayesian for PcKroSbl {
    fn check(&self) -> Result<()> {
        for (name, found) in [("coupling", self.coupling), ("floor", self.floor)] {
            not_negative(name, found)?;
        }
        alternation(self.tolerance, self.passes)
    }

    fn prune(&self) -> f64 {
        self.prune
    }

    fn start_at(&self) -> Start {
        self.start
    }

    fn maximize(&self, moments: &[f64], factors: &[Factor]) -> Result<Vec<Vec<f64>>> {
        let couplings: Vec<Mat<f64>> = factors.iter().map(|factor| self.matrix(&factor.kept)).collect();
        alternate(moments, factors, (self.tolerance, self.passes), |place, target| {
            if self.apart.contains(&place) {
                return Ok(target);
            }
            let coupling = couplings[place].as_ref();
            let latent = nonnegative_least_squares(coupling, &target)?;
            let coupled = kronecker_apply(&[coupling], &latent)?;
            Ok(coupled.into_iter().map(|t| t + self.floor).collect())
        })
    }
}

impl PcKroSbl {
    /// C of the entries that are left; [n, n].
    fn matrix(&self, kept: &[usize]) -> Mat<f64> {
        Mat::from_fn(kept.len(), kept.len(), |i, j| match kept[i].abs_diff(kept[j]) {
            0 => 1.0,
            1 => self.coupling,
            _ => 0.0,
        })
    }
}
