//! How good a decomposition is, measured on what it gave.

use crate::{Result, Svd, dense};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_random::Rng;

/// What an [`Svd`] leaves of the matrix it was made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorEstimate {
    /// ‖A − U·diag(s)·Vᵀ‖_F = √(‖A‖_F² − Σ s²). Below 4e-4 · ‖A‖_F it is rounding: s has 24 bits.
    pub frobenius: f64,
    /// An upper bound of ‖A − U·diag(s)·Vᵀ‖₂ that fails once in 1e10 draws: 1.5 times it where one direction is left, 1.6 to 1.9
    /// times where a thousand of noise are. That norm itself is no smaller than the first singular value that is left out.
    pub spectral: f64,
}

/// Random vectors of the spectral bound.
const PROBES: usize = 10;
/// For one Gaussian ω and any B, P(‖B‖₂ > FACTOR·√(2/π)·‖Bω‖) ≤ 1/FACTOR: [range_finder] lemma 4.1.
const FACTOR: f64 = 10.0;
/// The lemma is used on B = (R·Rᵀ)^ROUNDS·R, whose norm is ‖R‖₂^(2·ROUNDS + 1): the root makes the factor small.
const ROUNDS: usize = 3;

impl Svd {
    /// What these triples leave of `a`, for seven passes over it with ten vectors; a: row-major [rows, columns].
    ///
    /// # Errors
    /// When `a` has another length or an entry that is not finite.
    pub fn error_estimate(&self, a: &[f32], seed: u64) -> Result<ErrorEstimate> {
        let largest = dense::check(a, self.rows, self.columns)?;
        let squares = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let frobenius = (squares(a) - squares(&self.s)).max(0.0).sqrt();
        let (tamed, unscale) = dense::tamed(a, largest);
        let residual = Residual { svd: self, a: &tamed, unscale };
        Ok(ErrorEstimate {
            frobenius,
            spectral: residual.norm_bound(&mut Rng::new(seed).fork("spectral-bound")),
        })
    }
}

/// R = A − U·diag(s)·Vᵀ, kept as its parts; all of it divided by `unscale`, as `a` already is.
struct Residual<'a> {
    svd: &'a Svd,
    a: &'a [f32],
    unscale: f64,
}

impl Residual<'_> {
    /// The upper bound of ‖R‖₂, in the scale of the matrix before taming.
    fn norm_bound(&self, rng: &mut Rng) -> f64 {
        let &Self { svd, a, unscale } = self;
        let a = Matrix::new(a, svd.rows, svd.columns);
        let u = Matrix::new(&svd.u, svd.rows, svd.rank);
        let vt = Matrix::new(&svd.vt, svd.rank, svd.columns);
        let mut probes = rng.normals(PROBES * svd.columns, 1.0);
        let mut logarithms = [0.0; PROBES];
        for round in 0..=ROUNDS {
            probes = self.apply(&probes, [vt.t(), u.t(), a.t()]);
            normalise(&mut probes, &mut logarithms);
            if round < ROUNDS {
                probes = self.apply(&probes, [u, vt, a]);
                normalise(&mut probes, &mut logarithms);
            }
        }
        let largest = logarithms.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let factor = FACTOR * std::f64::consts::FRAC_2_PI.sqrt();
        ((largest + factor.ln()) / (2 * ROUNDS + 1) as f64).exp() * unscale
    }

    /// x·whole − (x·inner)·diag(s)·outer, which is x·Rᵀ or x·R; x: [PROBES, _].
    fn apply(&self, x: &[f32], [inner, outer, whole]: [Matrix<'_>; 3]) -> Vec<f32> {
        let x = Matrix::new(x, PROBES, whole.rows);
        let mut coordinates = vec![0.0; PROBES * inner.columns];
        matmul(&mut coordinates, x, inner, 1.0, false);
        for row in coordinates.chunks_exact_mut(inner.columns) {
            row.iter_mut().zip(&self.svd.s).for_each(|(x, &s)| *x *= (f64::from(s) / self.unscale) as f32);
        }
        let mut image = vec![0.0; PROBES * whole.columns];
        matmul(&mut image, x, whole, 1.0, false);
        matmul(&mut image, Matrix::new(&coordinates, PROBES, inner.columns), outer, -1.0, true);
        image
    }
}

/// Gives every row the length 1 and adds the logarithm of the length it had; a row of zeros stays and adds −∞.
fn normalise(rows: &mut [f32], logarithms: &mut [f64; PROBES]) {
    let length = rows.len() / PROBES;
    for (row, logarithm) in rows.chunks_exact_mut(length).zip(logarithms) {
        let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        *logarithm += norm.ln();
        if norm > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
        }
    }
}

/// How far vectors are from orthonormal: max |QᵀQ − 1| of a tall matrix, max |QQᵀ − 1| of a wide one.
///
/// q: row-major [rows, columns]; the vectors are the columns where rows ≥ columns, else the rows.
///
/// # Errors
/// When the slice does not fit the shape, the matrix is empty or has an entry that is not finite.
pub fn orthonormality_defect(q: &[f32], rows: usize, columns: usize) -> Result<f64> {
    dense::check(q, rows, columns)?;
    let q = dense::widen(q, rows, columns);
    let gram = if rows >= columns {
        dense::multiply(q.transpose(), q.as_ref())
    } else {
        dense::multiply(q.as_ref(), q.transpose())
    };
    let wanted = |row, column| f64::from(u8::from(row == column));
    let defects = (0..gram.ncols()).flat_map(|column| (0..gram.nrows()).map(move |row| (row, column)));
    Ok(defects.fold(0.0, |largest, (i, j)| (gram[(i, j)] - wanted(i, j)).abs().max(largest)))
}
