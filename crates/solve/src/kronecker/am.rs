//! AM-KroSBL: variances of the factors by alternating closed forms.
//!
//!     minimise Σ_{ijk} log(g₁ᵢ·g₂ⱼ·g₃ₖ) + L_ijk / (g₁ᵢ·g₂ⱼ·g₃ₖ)        L: second moments of x
//!     g₁ᵢ ← Σ_jk L_ijk / (g₂ⱼ·g₃ₖ) / (N₂·N₃), then g₂, g₃ likewise, until they stand still
//!
//! The evidence does not fall as long as nothing is given up. A pass costs O(d·N).
//! Paper: [kronecker_sbl] §III-A. Departure: the alternation ends at a relative change, not at an absolute one.

use super::bayes::{Bayesian, Factor, Start, change};
use crate::Result;
use crate::check::{at_least_one, not_negative};
use rankine_linalg::outer;
use serde::{Deserialize, Serialize};

/// Variances are not divided by below this share of the largest of their factor.
const FLOOR: f64 = 1e-12;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmKroSbl {
    /// Share of the largest variance of its factor below which an entry is given up. The paper takes half of it where the
    /// noise is not known.
    pub prune: f64,
    /// What the variances start at.
    pub start: Start,
    /// Relative change of the variances that ends the alternation.
    pub tolerance: f64,
    /// Passes of the alternation at most.
    pub passes: usize,
}

impl Default for AmKroSbl {
    fn default() -> Self {
        Self { prune: 1e-2, start: Start::Times(0.01), tolerance: 1e-5, passes: 100 }
    }
}

impl Bayesian for AmKroSbl {
    fn check(&self) -> Result<()> {
        alternation(self.tolerance, self.passes)
    }

    fn prune(&self) -> f64 {
        self.prune
    }

    fn start_at(&self) -> Start {
        self.start
    }

    fn maximize(&self, moments: &[f64], factors: &[Factor]) -> Result<Vec<Vec<f64>>> {
        alternate(moments, factors, (self.tolerance, self.passes), |_, target| Ok(target))
    }
}

/// Whether the settings of an alternation are in their ranges.
pub(super) fn alternation(tolerance: f64, passes: usize) -> Result<()> {
    not_negative("tolerance", tolerance)?;
    at_least_one("passes", passes)
}

/// The alternation to a relative change, for passes at most; `admit` turns the closed form of a factor into one that is
/// admissible.
pub(super) fn alternate(
    moments: &[f64],
    factors: &[Factor],
    (tolerance, passes): (f64, usize),
    admit: impl Fn(usize, Vec<f64>) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    let mut variances: Vec<Vec<f64>> = factors.iter().map(|factor| factor.variances.clone()).collect();
    let mut old = outer(&variances);
    for _ in 0..passes {
        for place in 0..variances.len() {
            let target = closed_form(moments, &variances, place);
            variances[place] = admit(place, target)?;
        }
        normalize(&mut variances);
        let new = outer(&variances);
        if change(&new, &old) <= tolerance {
            break;
        }
        old = new;
    }
    Ok(variances)
}

/// The best variances of one factor with those of the others: means of L over the others' variances.
pub(super) fn closed_form(moments: &[f64], variances: &[Vec<f64>], place: usize) -> Vec<f64> {
    let inverses = |variances: &[Vec<f64>]| {
        let inverses: Vec<Vec<f64>> = variances.iter().map(|g| inverse(g)).collect();
        outer(&inverses)
    };
    let (before, after) = (inverses(&variances[..place]), inverses(&variances[place + 1..]));
    let size = variances[place].len();
    let mut sums = vec![0.0; size];
    for (rows, left) in moments.chunks_exact(size * after.len()).zip(&before) {
        for (row, sum) in rows.chunks_exact(after.len()).zip(&mut sums) {
            *sum += left * row.iter().zip(&after).map(|(moment, right)| moment * right).sum::<f64>();
        }
    }
    let others = (before.len() * after.len()) as f64;
    sums.into_iter().map(|sum| sum / others).collect()
}

/// Gives all but the last the length 1.
pub(super) fn normalize(variances: &mut [Vec<f64>]) {
    let Some((last, others)) = variances.split_last_mut() else { return };
    for other in others {
        let length = other.iter().map(|g| g * g).sum::<f64>().sqrt();
        if 0.0 < length {
            other.iter_mut().for_each(|g| *g /= length);
            last.iter_mut().for_each(|g| *g *= length);
        }
    }
}

/// Zeros of zeros.
fn inverse(variances: &[f64]) -> Vec<f64> {
    let floor = FLOOR * variances.iter().copied().fold(0.0, f64::max);
    variances.iter().map(|g| if 0.0 < floor { g.max(floor).recip() } else { 0.0 }).collect()
}
