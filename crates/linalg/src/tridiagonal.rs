//! Eigenvalues and eigenvectors of a large Hermitian matrix, which can be broken off.
//!
//!     A = Q·T·Qᴴ, T tridiagonal        Q = H_1·H_2·…        H = 1 − τ·v·vᴴ
//!     H·A·H = A − v·wᴴ − w·vᴴ          w = τ·(x − ½·τ·(vᴴ·x)·v),  x = A·v
//!
//! The columns of a panel are brought up to date one by one, with the V and W of those before them, and all behind the panel by
//! one product with both: LAPACK's `zhetrd` (Dongarra, Sorensen and Hammarling 1989). faer solves T, which is not broken off.
//! 4/3·n³ multiply-adds for T and as many for the vectors, on the calling thread.

use crate::going::{UNASKED, ask};
use crate::hermitian::{Eigen, eigh, multiply};
use crate::{Error, Going, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, c64};

/// Columns whose reflections are kept before the others follow.
const PANEL: usize = 32;

/// Vectors that are reflected between two questions.
const VECTORS: usize = 128;

/// As [`eigh`], asked on the way where the matrix is large.
///
/// # Errors
/// As [`eigh`], and when `going` stops it.
pub fn eigh_while(a: MatRef<'_, c64>, going: &Going<'_>) -> Result<Eigen<c64>> {
    ask(going)?;
    let (rows, columns) = a.shape();
    // Complex numbers are multiplied by four products.
    if rows == columns && UNASKED / 4 < rows.pow(3) { by_panels(a, going) } else { eigh(a) }
}

/// The same, whatever the size.
fn by_panels(a: MatRef<'_, c64>, going: &Going<'_>) -> Result<Eigen<c64>> {
    let size = a.nrows();
    let mut rest = Mat::from_fn(size, size, |i, j| if j <= i { a[(i, j)] } else { a[(j, i)].conj() });
    if !rest.is_all_finite() {
        return Err(Error::NoConvergence { rows: size, columns: size });
    }
    // So that no square leaves the range of the numbers.
    let largest = rest.norm_max();
    let scale = if 0.0 < largest { largest } else { 1.0 };
    for column in rest.col_iter_mut() {
        column.iter_mut().for_each(|entry| *entry /= scale);
    }
    let (mut diagonal, mut below) = (vec![c64::ZERO; size], vec![c64::ZERO; size]);
    let mut panels = Vec::new();
    for start in (0..size).step_by(PANEL) {
        let part = rest.as_mut().submatrix_mut(start, start, size - start, size - start);
        panels.push((start, Panel::new(part, &mut diagonal[start..], &mut below[start..], going)?));
    }
    drop(rest);
    ask(going)?;
    let Eigen { mut values, mut vectors } = of_tridiagonal(&diagonal, &below)?;
    for (start, panel) in panels.iter().rev() {
        panel.apply(vectors.as_mut().subrows_mut(*start, size - start), going)?;
    }
    values.iter_mut().for_each(|value| *value *= scale);
    let finite = values.iter().all(|value| value.is_finite()) && vectors.is_all_finite();
    if finite {
        Ok(Eigen { values, vectors })
    } else {
        Err(Error::NoConvergence { rows: size, columns: size })
    }
}

/// Those of the tridiagonal matrix with this diagonal, and this below it but for its last entry; both [n].
fn of_tridiagonal(diagonal: &[c64], below: &[c64]) -> Result<Eigen<c64>> {
    let size = diagonal.len();
    let [diagonal, below] = [diagonal, below].map(|entries| {
        let mut owned = Diag::<c64>::zeros(size);
        owned.column_vector_mut().iter_mut().zip(entries).for_each(|(target, entry)| *target = *entry);
        owned
    });
    let (mut values, mut vectors) = (Diag::<c64>::zeros(size), Mat::<c64>::zeros(size, size));
    // That of the whole has the room that this needs in it.
    let scratch =
        self_adjoint_evd_scratch::<c64>(size, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let (stack, target) = (MemStack::new(&mut memory), Some(vectors.as_mut()));
    let (diagonal, below) = (diagonal.as_ref(), below.as_ref());
    tridiagonal_self_adjoint_evd(
        diagonal,
        below,
        values.as_mut(),
        target,
        Par::Seq,
        stack,
        Default::default(),
    )
    .map_err(|_| Error::NoConvergence { rows: size, columns: size })?;
    Ok(Eigen { values: values.column_vector().iter().map(|value| value.re).collect(), vectors })
}

/// The reflections of a few columns: H_1·H_2·… = 1 − V·F·Vᴴ.
struct Panel {
    /// V, of which column j begins below row j; [n, k].
    vectors: Mat<c64>,
    /// F, upper triangular; [k, k].
    factor: Mat<c64>,
}

impl Panel {
    /// Reflects the first columns of a matrix, as many as a panel has, to a diagonal and what is below it; the rest of the matrix
    /// follows.
    fn new(
        mut a: MatMut<'_, c64>,
        diagonal: &mut [c64],
        below: &mut [c64],
        going: &Going<'_>,
    ) -> Result<Self> {
        let size = a.nrows();
        let width = PANEL.min(size);
        let (mut v, mut w) = (Mat::<c64>::zeros(size, width), Mat::<c64>::zeros(size, width));
        let mut strengths = vec![0.0; width];
        for j in 0..width {
            ask(going)?;
            let mut column: Vec<c64> = (j..size).map(|i| a[(i, j)]).collect();
            for before in 0..j {
                let (x, y) = (w[(j, before)].conj(), v[(j, before)].conj());
                for (i, entry) in (j..size).zip(&mut column) {
                    *entry -= v[(i, before)] * x + w[(i, before)] * y;
                }
            }
            diagonal[j] = c64::from(column[0].re);
            let rest = &mut column[1..];
            if rest.is_empty() {
                break;
            }
            (below[j], strengths[j]) = reflection(rest);
            if strengths[j] == 0.0 {
                continue;
            }
            let (first, strength) = (j + 1, strengths[j]);
            rest.iter().zip(first..).for_each(|(x, i)| v[(i, j)] = *x);
            let (before, others) = (v.get(first.., ..j), w.get(first.., ..j));
            let x = v.get(first.., j..first);
            let left = size - first;
            let image = multiply(a.as_ref().submatrix(first, first, left, left), x)
                - multiply(before, multiply(others.adjoint(), x).as_ref())
                - multiply(others, multiply(before.adjoint(), x).as_ref());
            let along: c64 = rest.iter().zip(image.col(0).iter()).map(|(x, y)| x.conj() * y).sum();
            let shift = along * (strength / 2.0);
            for ((x, y), i) in rest.iter().zip(image.col(0).iter()).zip(first..) {
                w[(i, j)] = (y - x * shift) * strength;
            }
        }
        let left = size - width;
        let (x, y) = (v.get(width.., ..), w.get(width.., ..));
        for (x, y) in [(x, y), (y, x)] {
            let target = a.as_mut().submatrix_mut(width, width, left, left);
            matmul(target, Accum::Add, x, y.adjoint(), c64::from(-1.0), Par::Seq);
        }
        Ok(Self { factor: factor(v.as_ref(), &strengths), vectors: v })
    }

    /// X ← (1 − V·F·Vᴴ)·X.
    fn apply(&self, mut x: MatMut<'_, c64>, going: &Going<'_>) -> Result<()> {
        let Self { vectors, factor } = self;
        for start in (0..x.ncols()).step_by(VECTORS) {
            ask(going)?;
            let count = VECTORS.min(x.ncols() - start);
            let mut part = x.as_mut().subcols_mut(start, count);
            let along = multiply(factor.as_ref(), multiply(vectors.adjoint(), part.as_ref()).as_ref());
            let (target, x) = (part.as_mut(), vectors.as_ref());
            matmul(target, Accum::Add, x, along.as_ref(), c64::from(-1.0), Par::Seq);
        }
        Ok(())
    }
}

/// F of reflections with these V and τ.
fn factor(v: MatRef<'_, c64>, strengths: &[f64]) -> Mat<c64> {
    let products = multiply(v.adjoint(), v);
    let mut factor = Mat::<c64>::zeros(strengths.len(), strengths.len());
    for (j, &strength) in strengths.iter().enumerate() {
        for i in 0..j {
            let sum: c64 = (i..j).map(|k| factor[(i, k)] * products[(k, j)]).sum();
            factor[(i, j)] = sum * -strength;
        }
        factor[(j, j)] = c64::from(strength);
    }
    factor
}

/// The reflection that takes a vector to its first entry alone: what that becomes, and τ, which is 0 where there is nothing to do.
/// The vector becomes v, with 1 for its first entry.
fn reflection(x: &mut [c64]) -> (c64, f64) {
    let head = x[0];
    let tail: f64 = x[1..].iter().map(|x| x.norm_sqr()).sum();
    // Smaller squares have lost digits; beside a largest entry of 1 they are nothing.
    if tail <= f64::MIN_POSITIVE / f64::EPSILON {
        return (head, 0.0);
    }
    let size = head.norm();
    let phase = if 0.0 < size { head / size } else { c64::ONE };
    let becomes = -phase * (size.powi(2) + tail).sqrt();
    let first = head - becomes;
    x[0] = c64::ONE;
    x[1..].iter_mut().for_each(|x| *x /= first);
    (becomes, 2.0 / (1.0 + tail / first.norm_sqr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A·Aᴴ of a random A; [size, size] of this rank.
    fn random(size: usize, rank: usize) -> Mat<c64> {
        let mut rng = Rng::new(5).fork_index("tridiagonal", size);
        let a = Mat::from_fn(size, rank, |_, _| c64::new(rng.normal_f64(), rng.normal_f64()));
        multiply(a.as_ref(), a.adjoint())
    }

    #[test]
    fn panels_agree_with_the_whole() {
        for (size, rank) in [(1, 1), (2, 2), (PANEL, 5), (PANEL + 1, 40), (3 * PANEL - 1, 20)] {
            for scale in [1.0, 1e-170, 1e150] {
                let plain = random(size, rank);
                let a = Mat::from_fn(size, size, |i, j| plain[(i, j)] * scale);
                let Eigen { values, vectors } = by_panels(a.as_ref(), &|| true).unwrap();
                let expected = eigh(plain.as_ref()).unwrap().values;
                let expected: Vec<f64> = expected.into_iter().map(|value| value * scale).collect();
                let largest = expected[size - 1];
                let apart = values.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
                assert!(apart < 1e-13 * size as f64 * largest, "{size}: {apart:e}");
                let back = Mat::from_fn(size, size, |i, j| vectors[(i, j)] * (values[j] / largest));
                let back = multiply(back.as_ref(), vectors.adjoint());
                let defect = multiply(vectors.adjoint(), vectors.as_ref());
                for j in 0..size {
                    for i in 0..size {
                        let unit = if i == j { c64::ONE } else { c64::ZERO };
                        assert!((defect[(i, j)] - unit).norm() < 1e-12, "{size}");
                        assert!((back[(i, j)] - a[(i, j)] / largest).norm() < 1e-12, "{size}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_diagonal_matrix_and_nothing_are_solved() {
        let a = Mat::from_fn(40, 40, |i, j| c64::from(if i == j { (i * 7 % 40) as f64 } else { 0.0 }));
        let found = by_panels(a.as_ref(), &|| true).unwrap().values;
        assert!(found.iter().enumerate().all(|(i, value)| (value - i as f64).abs() < 1e-12), "{found:?}");
        let nothing = by_panels(Mat::zeros(40, 40).as_ref(), &|| true).unwrap();
        assert_eq!(nothing.values, [0.0; 40]);
        let holes = Mat::from_fn(2, 2, |_, _| c64::from(f64::NAN));
        assert!(by_panels(holes.as_ref(), &|| true).is_err());
    }

    #[test]
    fn it_ends_where_it_is_told_to() {
        let asked = AtomicUsize::new(0);
        let until = |most: usize| {
            asked.store(0, Ordering::Relaxed);
            by_panels(random(70, 70).as_ref(), &|| asked.fetch_add(1, Ordering::Relaxed) < most)
        };
        assert!(until(usize::MAX).is_ok());
        let all = asked.load(Ordering::Relaxed);
        // Every column, T, and the vectors by every panel.
        assert_eq!(all, 70 + 1 + 3);
        for most in [0, 40, 70, all - 1] {
            assert_eq!(until(most), Err(Error::Interrupted));
            assert_eq!(asked.load(Ordering::Relaxed), most + 1);
        }
        assert_eq!(eigh_while(random(3, 3).as_ref(), &|| false), Err(Error::Interrupted));
    }
}
