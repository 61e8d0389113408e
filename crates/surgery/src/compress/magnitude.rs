//! Magnitude pruning: the numbers of smallest magnitude become zero.
//!
//!     w' = w where |w| is among the (1 − sparsity)·rows·columns largest of its matrix, else 0
//!
//! The shape stays, so that every program reads the result. Of equal numbers the first go.

use super::{Compact, Compress, Form, Site};
use crate::{Error, Result};

/// Zeros in the place of the smallest numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Magnitude {
    /// Share of the numbers of every matrix that become zero; above 0 and below 1.
    pub sparsity: f64,
}

impl Compress for Magnitude {
    fn check(&self) -> Result<()> {
        if 0.0 < self.sparsity && self.sparsity < 1.0 {
            return Ok(());
        }
        let (expected, found) = ("above 0 and below 1", self.sparsity.to_string());
        Err(Error::Setting { name: "sparsity", expected, found })
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        let [rows, columns] = site.sides();
        Ok((0 < self.zeros(rows.saturating_mul(columns))).then_some(Form::Whole))
    }

    fn compress(&self, _: &Site<'_>, matrix: &[f32], _: Form) -> Result<Compact> {
        let mut pruned = matrix.to_vec();
        let Some(last) = self.zeros(matrix.len()).checked_sub(1) else { return Ok(Compact::Whole(pruned)) };
        let mut magnitudes: Vec<f32> = matrix.iter().map(|w| w.abs()).collect();
        let (below, &mut bound, _) = magnitudes.select_nth_unstable_by(last, f32::total_cmp);
        let mut equal = last + 1 - below.iter().filter(|&&w| w < bound).count();
        for w in &mut pruned {
            if w.abs() < bound {
                *w = 0.0;
            } else if w.abs() == bound && 0 < equal {
                (*w, equal) = (0.0, equal - 1);
            }
        }
        Ok(Compact::Whole(pruned))
    }
}

impl Magnitude {
    /// How many of so many numbers become zero.
    fn zeros(&self, numbers: usize) -> usize {
        (self.sparsity * numbers as f64).round() as usize
    }
}
