//! Truncated SVD: the nearest matrix of a rank, as two thin factors.
//!
//!     W ≈ U_r·S_r·V_rᵀ = (U_r·√S_r)·(√S_r·V_rᵀ)        W: [rows, columns]  r·(rows + columns) numbers
//!     ‖W − W_r‖² = Σ_{i>r} s_i²,  the least of all matrices of rank r
//!
//! A matrix is left alone where its factors would not be fewer numbers. What a model answers may suffer more than these
//! norms tell; training brings some of it back.
//! Paper: [pela] §3.1.

use super::{Compact, Compress, Form, Site};
use crate::{Error, Result};
use rankine_linalg::{Truncation, energy_rank, singular_values, truncated};

/// The leading singular triples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRank {
    /// How many.
    pub extent: Extent,
    /// How they are found; a share of energy takes the whole spectrum all the same.
    pub svd: Truncation,
}

/// How many singular triples are kept of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// r = ⌊share · rows·columns/(rows + columns)⌋: factors of at most this share of its numbers; above 0 and below 1.
    Ratio(f64),
    /// As many of every matrix.
    Rank(usize),
    /// The fewest with this share of Σ s²; above 0, at most 1.
    Energy(f64),
}

impl Extent {
    /// Refuses what is outside its range.
    pub(super) fn check(self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match self {
            Self::Ratio(share) if !(0.0 < share && share < 1.0) => {
                setting("ratio", "above 0 and below 1", share.to_string())
            }
            Self::Rank(0) => setting("rank", "1 or more", "0".to_owned()),
            Self::Energy(share) if !(0.0 < share && share <= 1.0) => {
                setting("energy", "above 0 and at most 1", share.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Factors of this rank, where they are fewer numbers.
    pub(super) fn form(self, site: &Site<'_>) -> Result<Option<Form>> {
        let [rows, columns] = site.sides();
        let (numbers, sides) = (rows.saturating_mul(columns), rows.saturating_add(columns));
        let rank = match self {
            Self::Ratio(share) => (share * numbers as f64 / sides.max(1) as f64).floor() as usize,
            Self::Rank(rank) => rank,
            Self::Energy(share) => {
                let values = singular_values(&site.read()?, rows, columns);
                energy_rank(&values.map_err(|source| site.failed(source))?, share)
            }
        };
        let smaller = 0 < rank && rank.saturating_mul(sides) < numbers;
        Ok(smaller.then_some(Form::Factors(rank)))
    }
}

impl Compress for LowRank {
    fn check(&self) -> Result<()> {
        self.extent.check()
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        self.extent.form(site)
    }

    fn compress(&self, site: &Site<'_>, matrix: &[f32], form: Form) -> Result<Compact> {
        let Form::Factors(rank) = form else { return Ok(Compact::Whole(matrix.to_vec())) };
        let [rows, columns] = site.sides();
        let mut svd =
            truncated(matrix, rows, columns, rank, self.svd).map_err(|source| site.failed(source))?;
        let roots: Vec<f32> = svd.s.iter().map(|s| s.sqrt()).collect();
        for row in svd.u.chunks_exact_mut(rank) {
            row.iter_mut().zip(&roots).for_each(|(u, root)| *u *= root);
        }
        for (row, root) in svd.vt.chunks_exact_mut(columns).zip(&roots) {
            row.iter_mut().for_each(|v| *v *= root);
        }
        Ok(Compact::Factors { left: svd.u, right: svd.vt })
    }
}
