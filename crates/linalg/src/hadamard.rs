//! The Walsh–Hadamard transform, and the sketches that are made of it.
//!
//!     S = R·H·D / √m                  one matrix: D random signs, H of the signs ±1, R picks m of its rows
//!     S = R·(H₁D₁ ⊗ H₂D₂) / √m        a Kronecker product: R picks m pairs of rows
//!
//! E[SᵀS] = 1. Columns are padded with zeros to a power of two, N. Costs O(N·log N) additions a column, and O(N) memory a
//! thread. For a Kronecker product the factors are transformed, and its rows are formed for the picked pairs only.
//! Paper: [sketched_regression]. Departures: rows are picked without repetition, which is never worse and makes m = N exact;
//! the transform is not cut to the picked rows, which would save a factor of log N / log m at most.

use crate::choice::distinct;
use crate::going::ask;
use crate::sketch::{Sketch, columns_of, copy};
use crate::{Error, Going, Result};
use faer::{Mat, MatRef};
use rankine_kernels::hadamard;
use rankine_random::Rng;
use rayon::prelude::*;

/// x ← H·x / √length, which is its own inverse.
///
/// # Errors
/// When the length is no power of two.
pub fn walsh_hadamard(x: &mut [f64]) -> Result<()> {
    if !x.len().is_power_of_two() {
        return Err(Error::PowerOfTwo { found: x.len() });
    }
    hadamard::transform(x);
    let scale = (x.len() as f64).sqrt().recip();
    x.iter_mut().for_each(|x| *x *= scale);
    Ok(())
}

/// The subsampled randomised Hadamard transform.
#[derive(Clone, Debug)]
pub struct Srht {
    mixing: Mixing,
    /// Ascending; [m].
    picked: Vec<usize>,
}

impl Srht {
    /// One that takes `columns` entries to `rows`.
    ///
    /// # Errors
    /// When `rows` is 0 or above the next power of two at or above `columns`, or `columns` is 0.
    pub fn new(columns: usize, rows: usize, rng: &Rng) -> Result<Self> {
        let mixing = Mixing::new(columns, &rng.fork("signs"))?;
        let picked = distinct("the rows of a sketch", rows, mixing.padded, &mut rng.fork("rows"))?;
        Ok(Self { mixing, picked })
    }
}

impl Sketch for Srht {
    fn rows(&self) -> usize {
        self.picked.len()
    }

    fn columns(&self) -> usize {
        self.mixing.signs.len()
    }

    fn apply(&self, parts: &[MatRef<'_, f64>], going: &Going<'_>) -> Result<Mat<f64>> {
        let columns = columns_of(parts, self.columns())?;
        let mut sketched = Mat::zeros(self.rows(), columns.len());
        let scale = (self.rows() as f64).sqrt().recip();
        let targets = sketched.par_col_iter_mut().zip(columns);
        targets.try_for_each_init(Vec::new, |buffer, (target, column)| {
            ask(going)?;
            self.mixing.transform(buffer, |start| copy(column, start));
            for (target, &row) in target.iter_mut().zip(&self.picked) {
                *target = scale * buffer[row];
            }
            Ok::<_, Error>(())
        })?;
        Ok(sketched)
    }
}

/// H·D with zeros behind the entries.
#[derive(Clone, Debug)]
struct Mixing {
    /// D; [columns].
    signs: Vec<f64>,
    /// N.
    padded: usize,
}

impl Mixing {
    fn new(columns: usize, rng: &Rng) -> Result<Self> {
        let too_many =
            Error::Count { what: "the entries of a sketched column", found: columns, least: 1, most: MOST };
        if columns == 0 || MOST < columns {
            return Err(too_many);
        }
        Ok(Self { signs: signs(columns, rng), padded: columns.next_power_of_two() })
    }

    /// H·D·x in `buffer`, which `fill` has given x.
    fn transform(&self, buffer: &mut Vec<f64>, fill: impl FnOnce(&mut [f64])) {
        buffer.clear();
        buffer.resize(self.padded, 0.0);
        let start = &mut buffer[..self.signs.len()];
        fill(start);
        start.iter_mut().zip(&self.signs).for_each(|(x, sign)| *x *= sign);
        hadamard::transform(buffer);
    }

    /// H·D·A; [N, a.ncols].
    fn whole(&self, a: MatRef<'_, f64>, going: &Going<'_>) -> Result<Mat<f64>> {
        let columns = columns_of(&[a], self.signs.len())?;
        let mut whole = Mat::zeros(self.padded, columns.len());
        let targets = whole.par_col_iter_mut().zip(columns);
        targets.try_for_each_init(Vec::new, |buffer, (target, column)| {
            ask(going)?;
            self.transform(buffer, |start| copy(column, start));
            target.iter_mut().zip(buffer.iter()).for_each(|(target, &x)| *target = x);
            Ok::<_, Error>(())
        })?;
        Ok(whole)
    }
}

/// The largest length that is sketched: beyond, a padded column would not fit into memory.
const MOST: usize = 1 << 40;

/// 1 or −1, each as likely.
pub(crate) fn signs(count: usize, rng: &Rng) -> Vec<f64> {
    let mut rng = rng.clone();
    let words = (0..count.div_ceil(64)).map(|_| rng.bits());
    let signs = words.flat_map(|word| (0..64).map(move |bit| if word >> bit & 1 == 0 { 1.0 } else { -1.0 }));
    signs.take(count).collect()
}

/// The same for a Kronecker product A₁ ⊗ A₂ of matrices [n₁, d₁] and [n₂, d₂], whose row of (i, j) is i·n₂ + j.
#[derive(Clone, Debug)]
pub struct TensorSrht {
    mixings: [Mixing; 2],
    /// Pairs of rows; [m].
    picked: Vec<[usize; 2]>,
}

impl TensorSrht {
    /// One for factors of `columns` rows each, that takes n₁·n₂ entries to `rows`.
    ///
    /// # Errors
    /// When `rows` is 0 or above N₁·N₂, or a factor has no rows.
    pub fn new(columns: [usize; 2], rows: usize, rng: &Rng) -> Result<Self> {
        let [first, second] = columns;
        let mixings = [Mixing::new(first, &rng.fork("first"))?, Mixing::new(second, &rng.fork("second"))?];
        let (wide, most) = (mixings[1].padded, mixings[0].padded.saturating_mul(mixings[1].padded));
        let picked = distinct("the rows of a sketch", rows, most, &mut rng.fork("rows"))?;
        Ok(Self { mixings, picked: picked.into_iter().map(|pair| [pair / wide, pair % wide]).collect() })
    }

    /// S·(A₁ ⊗ A₂); [m, d₁·d₂].
    ///
    /// # Errors
    /// When a factor has another number of rows, or `going` stops it.
    pub fn apply(
        &self,
        first: MatRef<'_, f64>,
        second: MatRef<'_, f64>,
        going: &Going<'_>,
    ) -> Result<Mat<f64>> {
        let (first, second) = (self.mixings[0].whole(first, going)?, self.mixings[1].whole(second, going)?);
        let scale = (self.picked.len() as f64).sqrt().recip();
        let wide = second.ncols();
        let mut sketched = Mat::zeros(self.picked.len(), first.ncols() * wide);
        sketched.par_col_iter_mut().enumerate().try_for_each(|(column, target)| {
            ask(going)?;
            let (first, second) = (first.col(column / wide), second.col(column % wide));
            for (target, &[i, j]) in target.iter_mut().zip(&self.picked) {
                *target = scale * first[i] * second[j];
            }
            Ok::<_, Error>(())
        })?;
        Ok(sketched)
    }

    /// S·b; b: [n₁·n₂], row by row as A₁ ⊗ A₂ has them.
    ///
    /// # Errors
    /// When b has another length, or `going` stops it.
    pub fn apply_vector(&self, b: &[f64], going: &Going<'_>) -> Result<Vec<f64>> {
        let [tall, wide] = [self.mixings[0].signs.len(), self.mixings[1].signs.len()];
        if b.len() != tall * wide {
            return Err(Error::Rows { found: b.len(), expected: tall * wide });
        }
        // B is [n₁, n₂], and here Bᵀ column by column: transformed along j, then along i.
        let along = self.mixings[1].whole(MatRef::from_column_major_slice(b, wide, tall), going)?;
        let both = self.mixings[0].whole(along.transpose(), going)?;
        let scale = (self.picked.len() as f64).sqrt().recip();
        Ok(self.picked.iter().map(|&[i, j]| scale * both[(i, j)]).collect())
    }
}
