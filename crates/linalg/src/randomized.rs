//! The leading singular triples by random projection.
//!
//!     Y = A · Ω                          A: [rows, columns]  Ω: [columns, l] Gaussian  l = rank + oversampling
//!     repeat: Y = A · orth(Aᵀ · orth(Y))
//!     Q = orth(Y),  B = QᵀA,  B·Bᵀ = Z·diag(s²)·Zᵀ,  U = Q·Z,  V = Bᵀ·Z·diag(1/s)
//!
//! `orth` makes the columns orthonormal, without which they all turn into the leading vector after a few rounds. Costs
//! (2 · power_iterations + 2) · rows · columns · l multiply-adds. The factors fulfil UᵀA = diag(s) · Vᵀ, so what is
//! left is orthogonal to U: ‖A − U·diag(s)·Vᵀ‖² = ‖A‖² − Σ s².
//! Paper: [range_finder], algorithms 4.4 and 5.1.
//!
//! B·Bᵀ squares the spectrum: where the last triple lies below [`FLOOR`] of the first, the SVD of B answers. Products
//! with A run in f32, all the rest in f64. A is packed for both directions, which takes twice its memory. Tall factors are
//! kept transposed, as [l, side]: faer's layout, and that of the products.

use crate::dense::{self, Factors};
use crate::{Result, Svd, orthonormal};
use faer::{Mat, MatRef};
use rankine_kernels::gemm::Matrix;
use rankine_kernels::skinny::Packed;
use rankine_random::Rng;

/// The smallest s relative to s₁ that B·Bᵀ, in f64, knows to the last bit of f32.
const FLOOR: f64 = 1e-4;

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
    let (basis, small) = project(a, search);
    let small = MatRef::from_column_major_slice(&small, a.columns, search.samples);
    let Factors { u, s, v } = match squared(small, rank)? {
        Some(factors) => factors,
        None => dense::thin_svd(small.transpose())?,
    };
    Svd::from_factors(&Factors { u: dense::multiply(basis.as_ref(), u.get(.., ..rank)), s, v }, rank, unscale)
}

/// The first `rank` triples of Bᵀ = `small` by way of B·Bᵀ, where they are large enough; small: [columns, samples].
fn squared(small: MatRef<'_, f64>, rank: usize) -> Result<Option<Factors>> {
    // Positive semidefinite: its singular triples are its eigenpairs.
    let Factors { u, s: squares, .. } = dense::thin_svd(dense::gram(small.transpose()).as_ref())?;
    let (first, last) = (squares[0], squares[rank - 1]);
    if first <= 0.0 || last < FLOOR * FLOOR * first {
        return Ok(None);
    }
    let (v, s) = dense::images(small, u.get(.., ..rank));
    Ok(Some(Factors { u, s, v }))
}

/// An orthonormal basis of the range of a · (aᵀ · a)^power_iterations · Ω; [rows, samples]. And its product with a; its
/// transpose column by column, [columns, samples].
fn project(a: Matrix<'_>, search: &Search) -> (Mat<f64>, Vec<f64>) {
    let &Search { samples, power_iterations, seed } = search;
    let (forth, back) = (Packed::new(a.t()), Packed::new(a));
    let product = |x: &[f32], packed: &Packed| widened(&packed.product(x, samples));
    let orth = |y: &[f64], side| {
        let q = orthonormal::nearly(MatRef::from_column_major_slice(y, side, samples));
        dense::transposed(q.as_ref())
    };
    let mut directions = Rng::new(seed).fork("range-finder").normals(a.columns * samples, 1.0);
    for _ in 0..power_iterations {
        let left = orth(&product(&directions, &forth), a.rows);
        directions = orth(&product(&left, &back), a.columns);
    }
    let range = product(&directions, &forth);
    let basis = orthonormal::wholly(MatRef::from_column_major_slice(&range, a.rows, samples));
    let small = product(&dense::transposed(basis.as_ref()), &back);
    (basis, small)
}

fn widened(y: &[f32]) -> Vec<f64> {
    y.iter().map(|&y| f64::from(y)).collect()
}
