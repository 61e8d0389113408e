//! The leading singular triples by random projection.
//!
//!     Y = A · Ω                          A: [rows, columns]  Ω: [columns, l] Gaussian  l = rank + oversampling
//!     repeat: Y = A · orth(Aᵀ · orth(Y))
//!     Q = orth(Y),  QᵀA = Û · diag(s) · Vᵀ,  U = Q · Û
//!
//! `orth` is Householder QR: without it the columns of Y all turn into the leading vector after a few rounds. Costs
//! (2 · power_iterations + 2) · rows · columns · l multiply-adds. The factors fulfil UᵀA = diag(s) · Vᵀ, so what is
//! left is orthogonal to U: ‖A − U·diag(s)·Vᵀ‖² = ‖A‖² − Σ s².
//! Paper: [range_finder], algorithms 4.4 and 5.1.
//!
//! Tall factors are kept transposed, as [l, side]: that is the layout faer wants and gives the products long rows.

use crate::dense::{self, Factors};
use crate::{Result, Svd};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_random::Rng;

/// How the range is searched: `samples` random directions, then rounds of power iteration.
pub(crate) struct Search {
    pub samples: usize,
    pub power_iterations: usize,
    pub seed: u64,
}

/// The first `rank` triples found in the range that `search` spans; rank ≤ samples ≤ min(rows, columns).
pub(crate) fn decompose(a: Matrix<'_>, rank: usize, search: &Search, largest: f32) -> Result<Svd> {
    let (data, unscale) = dense::tamed(a.data, largest);
    let a = Matrix::new(&data, a.rows, a.columns);
    let basis = range(a, search);
    let small = product(Matrix::new(&dense::transposed(basis.as_ref()), search.samples, a.rows), a);
    let Factors { u, s, v } = dense::thin_svd(dense::widen(&small, search.samples, a.columns).as_ref())?;
    Svd::from_factors(&Factors { u: dense::multiply(basis.as_ref(), u.get(.., ..rank)), s, v }, rank, unscale)
}

/// An orthonormal basis of the range of a · (aᵀ · a)^power_iterations · Ω; [rows, samples].
fn range(a: Matrix<'_>, search: &Search) -> faer::Mat<f64> {
    let &Search { samples, power_iterations, seed } = search;
    let mut directions = Rng::new(seed).fork("range-finder").normals(a.columns * samples, 1.0);
    for _ in 0..power_iterations {
        let left =
            orthonormalise(&product(Matrix::new(&directions, samples, a.columns), a.t()), samples, a.rows);
        let right = product(Matrix::new(&dense::transposed(left.as_ref()), samples, a.rows), a);
        directions = dense::transposed(orthonormalise(&right, samples, a.columns).as_ref());
    }
    orthonormalise(&product(Matrix::new(&directions, samples, a.columns), a.t()), samples, a.rows)
}

/// Orthonormal columns that span the rows of y; y: row-major [samples, side]; [side, samples].
fn orthonormalise(y: &[f32], samples: usize, side: usize) -> faer::Mat<f64> {
    dense::orthonormal_basis(faer::Mat::from_fn(side, samples, |row, column| {
        f64::from(y[column * side + row])
    }))
}

fn product(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f32> {
    let mut c = vec![0.0; left.rows * right.columns];
    matmul(&mut c, left, right, 1.0, false);
    c
}
