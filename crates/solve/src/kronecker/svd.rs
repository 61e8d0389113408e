//! SVD-KroSBL: variances of the factors by singular vectors.
//!
//!     L as [N₁, N₂⋯N_d] ≈ s·u·vᵀ:  g₁ = |u|;  s·|v| as [N₂, N₃⋯N_d]:  g₂ likewise;  … g_d = what is left
//!
//! Fits L by a product in the sense of least squares, not of the likelihood: the evidence may fall, and mostly does not.
//! The leading pair of a positive matrix is positive. It comes from the eigenvectors of L·Lᵀ: O(N₁²·N) a step.
//! Paper: [kronecker_sbl] §III-B.

use super::am::normalize;
use super::bayes::{Bayesian, Factor, Start};
use crate::Result;
use faer::MatRef;
use rankine_linalg::{eigh, multiply};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvdKroSbl {
    /// Share of the largest variance of its factor below which an entry is given up.
    pub prune: f64,
    /// What the variances start at.
    pub start: Start,
}

impl Default for SvdKroSbl {
    fn default() -> Self {
        Self { prune: 1e-3, start: Start::Times(1.0) }
    }
}

impl Bayesian for SvdKroSbl {
    fn prune(&self) -> f64 {
        self.prune
    }

    fn start_at(&self) -> Start {
        self.start
    }

    fn maximize(&self, moments: &[f64], factors: &[Factor]) -> Result<Vec<Vec<f64>>> {
        let mut left = moments.to_vec();
        let mut variances = Vec::with_capacity(factors.len());
        for factor in factors.iter().take(factors.len() - 1) {
            let (leading, rest) = leading_pair(&left, factor.variances.len())?;
            variances.push(leading);
            left = rest;
        }
        variances.push(left);
        normalize(&mut variances);
        Ok(variances)
    }
}

/// |u| and s·|v| of the leading singular triple of a matrix with so many rows, row after row.
fn leading_pair(array: &[f64], rows: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let matrix = MatRef::from_row_major_slice(array, rows, array.len() / rows);
    let vectors = eigh(multiply(matrix, matrix.transpose()).as_ref())?.vectors;
    let u = vectors.get(.., rows - 1..).map(|u| u.abs());
    let rest = multiply(matrix.transpose(), u.as_ref());
    let column = |matrix: MatRef<'_, f64>| matrix.col(0).iter().copied().collect();
    Ok((column(u.as_ref()), column(rest.as_ref())))
}
