//! The thin SVD with fixed signs.
//!
//!     A = U · diag(s) · Vᵀ        U: [rows, k]  s: [k] descending  Vᵀ: [k, columns]  k ≤ min(rows, columns)
//!
//! Singular vectors are defined up to a sign that a library chooses by accident. Here the entry of largest
//! magnitude of every right vector is positive (the first one of equals), so that files can be compared.

use crate::dense::{self, Factors};
use crate::{Result, orthonormality_defect, squared};
use faer::MatRef;
use rankine_kernels::gemm::{Matrix, matmul};

/// The leading singular triples of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Svd {
    /// Left vectors, row-major; [rows, rank].
    pub u: Vec<f32>,
    /// Singular values, descending; [rank].
    pub s: Vec<f32>,
    /// Right vectors, row-major; [rank, columns].
    pub vt: Vec<f32>,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// How many triples there are.
    pub rank: usize,
}

/// All min(rows, columns) singular triples of a; a: row-major [rows, columns].
///
/// Costs O(rows · columns · min(rows, columns)) in double precision.
///
/// # Errors
/// When the slice does not fit the shape, the matrix is empty or has an entry that is not finite.
pub fn svd(a: &[f32], rows: usize, columns: usize) -> Result<Svd> {
    dense::check(a, rows, columns)?;
    Svd::whole(dense::widen(a, rows, columns).as_ref(), rows.min(columns))
}

/// The singular values of a, descending; a: row-major [rows, columns]; [min(rows, columns)].
///
/// # Errors
/// As [`svd`].
pub fn singular_values(a: &[f32], rows: usize, columns: usize) -> Result<Vec<f32>> {
    dense::check(a, rows, columns)?;
    dense::narrow(&dense::values(dense::widen(a, rows, columns).as_ref())?, 1.0)
}

impl Svd {
    /// The first `rank` triples of numbers that came from `f32`, after all of them.
    pub(crate) fn whole(a: MatRef<'_, f64>, rank: usize) -> Result<Self> {
        let factors = match squared::thin_svd(a)? {
            Some(factors) => factors,
            None => dense::thin_svd(a)?,
        };
        Self::from_factors(&factors, rank, 1.0)
    }

    /// The first `rank` triples of `factors`, singular values times `scale`, signs fixed.
    pub(crate) fn from_factors(factors: &Factors, rank: usize, scale: f64) -> Result<Self> {
        let Factors { u, s, v } = factors;
        let (rows, columns) = (u.nrows(), v.nrows());
        let mut vt = dense::transposed(v.get(.., ..rank));
        let signs: Vec<f32> = vt.chunks_exact_mut(columns).map(fix_sign).collect();
        let mut u = dense::row_major(u.get(.., ..rank));
        for row in u.chunks_exact_mut(rank) {
            row.iter_mut().zip(&signs).for_each(|(u, sign)| *u *= sign);
        }
        Ok(Self { u, s: dense::narrow(&s[..rank], scale)?, vt, rows, columns, rank })
    }

    /// The product U · diag(s) · Vᵀ; row-major [rows, columns].
    pub fn reconstruct(&self) -> Vec<f32> {
        let scaled: Vec<f32> = self.u.chunks_exact(self.rank).flat_map(|row| times(row, &self.s)).collect();
        let mut product = vec![0.0; self.rows * self.columns];
        let u = Matrix::new(&scaled, self.rows, self.rank);
        matmul(&mut product, u, Matrix::new(&self.vt, self.rank, self.columns), 1.0, false);
        product
    }

    /// The larger of the two defects max |UᵀU − 1| and max |VᵀV − 1|; see [`orthonormality_defect`].
    ///
    /// # Errors
    /// When the fields do not fit each other or are not finite.
    pub fn orthonormality_defect(&self) -> Result<f64> {
        let left = orthonormality_defect(&self.u, self.rows, self.rank)?;
        Ok(left.max(orthonormality_defect(&self.vt, self.rank, self.columns)?))
    }
}

fn times<'a>(left: &'a [f32], right: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    left.iter().zip(right).map(|(x, y)| x * y)
}

/// Makes the entry of largest magnitude positive; returns the sign it had.
///
/// The vector is already rounded to `f32`: looking at the numbers that are kept makes the rule hold for them.
pub(crate) fn fix_sign(vector: &mut [f32]) -> f32 {
    let largest = vector.iter().fold(0.0f32, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
    if largest >= 0.0 {
        return 1.0;
    }
    vector.iter_mut().for_each(|x| *x = -*x);
    -1.0
}
