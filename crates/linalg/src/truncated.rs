//! The best approximation of a given rank, exact or nearly so.
//!
//! By Eckart–Young the first r singular triples give the nearest matrix of rank r, at the distance √(Σ_{i>r} s²).

use crate::randomized::{self, Search};
use crate::{Error, Result, Svd, dense, leading};
use rankine_kernels::gemm::Matrix;

/// How the leading singular triples are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncation {
    /// As the whole SVD, cut, would give them, without the others where the rank is a small part of the smaller
    /// side, else from all of them. O(rows · columns · min(rows, columns)).
    #[default]
    Exact,
    /// A random range finder: O(rows · columns · rank), a little above the smallest error.
    Randomized {
        /// Rounds that sharpen the range; more where the spectrum is flat. [`Truncation::POWER_ITERATIONS`].
        power_iterations: usize,
        /// Directions above the rank. [`Truncation::OVERSAMPLING`].
        oversampling: usize,
        /// Seed of the Gaussian test matrix.
        seed: u64,
    },
}

impl Truncation {
    /// Rounds of power iteration when the user names none: what [pissa] times its fast start with.
    pub const POWER_ITERATIONS: usize = 4;
    /// Directions above the rank when the user names none: [range_finder] §4.2 advises 5 to 10.
    pub const OVERSAMPLING: usize = 10;

    /// The randomised method with its usual settings.
    pub const fn randomized(seed: u64) -> Self {
        let (power_iterations, oversampling) = (Self::POWER_ITERATIONS, Self::OVERSAMPLING);
        Self::Randomized { power_iterations, oversampling, seed }
    }
}

/// The first `rank` singular triples of a; a: row-major [rows, columns].
///
/// Where rank + oversampling reaches the smaller side, the randomised method has nothing to save and the exact one
/// answers.
///
/// # Errors
/// As [`crate::svd`], and when the rank is 0 or above the smaller side.
pub fn truncated(a: &[f32], rows: usize, columns: usize, rank: usize, how: Truncation) -> Result<Svd> {
    let largest = dense::check(a, rows, columns)?;
    let limit = rows.min(columns);
    if rank == 0 || rank > limit {
        return Err(Error::Rank { rank, limit, rows, columns });
    }
    if let Truncation::Randomized { power_iterations, oversampling, seed } = how
        && let samples = rank.saturating_add(oversampling)
        && samples < limit
    {
        let search = Search { samples, power_iterations, seed };
        return randomized::decompose(Matrix::new(a, rows, columns), rank, &search, largest);
    }
    let wide = dense::widen(a, rows, columns);
    if leading::applies(rows, columns, rank)
        && let Some(leading) = leading::triples(wide.as_ref(), rank)?
    {
        return Ok(leading);
    }
    Svd::whole(wide.as_ref(), rank)
}
