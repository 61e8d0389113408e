//! Eigenvalues and eigenvectors of a large symmetric or Hermitian matrix: all, or the last ones, and so that it can be broken off.
//!
//!     A = Q·T·Qᴴ, T tridiagonal        Q = H_1·H_2·…        H = 1 − τ·v·vᴴ
//!     H·A·H = A − v·wᴴ − w·vᴴ          w = τ·(x − ½·τ·(vᴴ·x)·v),  x = A·v
//!
//! The columns of a panel are brought up to date one by one, with the V and W of those before them, and all behind the panel by
//! one product with both: LAPACK's `sytrd` and `hetrd` (Dongarra, Sorensen and Hammarling 1989). Half of the work is the x, for
//! which a large matrix comes from memory once a column: of a real one half is kept and read. faer solves T, which is not broken
//! off. 4/3·n³ multiply-adds for T and 2·n² for each vector, on the calling thread.

mod entry;

pub use entry::{Columns, Entry};

use crate::going::{UNASKED, ask};
use crate::hermitian::{Eigen, eigh, multiply};
use crate::{Error, Going, Result, always, inverse_iteration};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// Columns whose reflections are kept before the others follow.
const PANEL: usize = 32;

/// Vectors that are reflected between two questions.
const VECTORS: usize = 128;

/// As [`eigh`](crate::eigh), asked on the way where the matrix is large.
///
/// # Errors
/// As [`eigh`](crate::eigh), and when `going` stops it.
pub fn eigh_while<T: Entry>(a: MatRef<'_, T>, going: &Going<'_>) -> Result<Eigen<T>> {
    ask(going)?;
    // What is small is over before anybody could ask.
    if UNASKED / T::PRODUCTS < a.nrows().saturating_pow(3) { by_panels(a, going) } else { eigh(a) }
}

/// The same, whatever the size.
pub(crate) fn by_panels<T: Entry>(a: MatRef<'_, T>, going: &Going<'_>) -> Result<Eigen<T>> {
    let reduced = Reduced::of(a, going)?;
    ask(going)?;
    let mut vectors = Mat::zeros(a.nrows(), a.nrows());
    let values = reduced.decompose(Some(vectors.as_mut()))?;
    reduced.finished(values, vectors, going)
}

/// The eigenvalues alone, ascending; [n].
pub(crate) fn values<T: Entry>(a: MatRef<'_, T>) -> Result<Vec<f64>> {
    let reduced = Reduced::of(a, &always)?;
    let values = reduced.decompose(None)?;
    Ok(reduced.finished(values, Mat::zeros(a.nrows(), 0), &always)?.values)
}

/// The `count` largest eigenvalues and their vectors, descending.
///
/// # Errors
/// As [`eigh`](crate::eigh).
pub(crate) fn largest(a: MatRef<'_, f64>, count: usize) -> Result<Eigen<f64>> {
    let reduced = Reduced::of(a, &always)?;
    let last = a.nrows().saturating_sub(1);
    if let Some(Eigen { values, vectors }) =
        inverse_iteration::largest(&reduced.diagonal, &reduced.below[..last], count)
    {
        return reduced.finished(values, vectors, &always);
    }
    let mut all = Mat::zeros(a.nrows(), a.nrows());
    let values = reduced.decompose(Some(all.as_mut()))?.into_iter().rev().take(count).collect();
    let vectors = all.as_ref().reverse_cols().subcols(0, count).to_owned();
    reduced.finished(values, vectors, &always)
}

/// T and Q.
pub(crate) struct Reduced<T> {
    /// [n].
    diagonal: Vec<T>,
    /// What stands below the diagonal, and a last entry that is nothing; [n].
    below: Vec<T>,
    /// The reflections, and the row that each begins at.
    panels: Vec<(usize, Panel<T>)>,
    /// T is A divided by it.
    scale: f64,
}

impl<T: Entry> Reduced<T> {
    /// Of which the lower triangle is read.
    ///
    /// # Errors
    /// When it is not square or not finite, or `going` stops it.
    fn of(a: MatRef<'_, T>, going: &Going<'_>) -> Result<Self> {
        let (rows, columns) = a.shape();
        if rows != columns {
            return Err(Error::Length { rows, columns: rows, found: rows * columns });
        }
        let mut a = Columns::hermitian(a);
        // So that no square leaves the range of the numbers.
        let largest = a.part(0, 0, rows).norm_max();
        if !largest.is_finite() {
            return Err(Error::NoConvergence { rows, columns });
        }
        let scale = if 0.0 < largest { largest } else { 1.0 };
        a.entries.iter_mut().for_each(|entry| *entry /= scale);
        let nothing = vec![T::from(0.0); rows];
        let mut reduced = Self { diagonal: nothing.clone(), below: nothing, panels: Vec::new(), scale };
        for start in (0..rows).step_by(PANEL) {
            let (diagonal, below) = (&mut reduced.diagonal[start..], &mut reduced.below[start..]);
            reduced.panels.push((start, Panel::new(&mut a, start, diagonal, below, going)?));
        }
        Ok(reduced)
    }

    /// The eigenvalues of T, ascending; vectors, where they are wanted: [n, n].
    fn decompose(&self, vectors: Option<MatMut<'_, T>>) -> Result<Vec<f64>> {
        let size = self.diagonal.len();
        let [diagonal, below] = [&self.diagonal, &self.below].map(|entries| {
            let mut owned = Diag::<T>::zeros(size);
            owned.column_vector_mut().iter_mut().zip(entries).for_each(|(target, entry)| *target = *entry);
            owned
        });
        let mut values = Diag::<T>::zeros(size);
        let compute = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
        // That of the whole has the room that this needs in it.
        let scratch = self_adjoint_evd_scratch::<T>(size, compute, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let (stack, target) = (MemStack::new(&mut memory), values.as_mut());
        let (diagonal, below, params) = (diagonal.as_ref(), below.as_ref(), Default::default());
        tridiagonal_self_adjoint_evd(diagonal, below, target, vectors, Par::Seq, stack, params)
            .map_err(|_| Error::NoConvergence { rows: size, columns: size })?;
        Ok(values.column_vector().iter().map(|value| value.real_part()).collect())
    }

    /// Values and vectors of A where these are of T; vectors: [n, k].
    fn finished(&self, mut values: Vec<f64>, mut vectors: Mat<T>, going: &Going<'_>) -> Result<Eigen<T>> {
        let size = self.diagonal.len();
        for (start, panel) in self.panels.iter().rev() {
            panel.apply(vectors.as_mut().subrows_mut(*start, size - start), going)?;
        }
        values.iter_mut().for_each(|value| *value *= self.scale);
        let finite = values.iter().all(|value| value.is_finite()) && vectors.is_all_finite();
        if finite {
            Ok(Eigen { values, vectors })
        } else {
            Err(Error::NoConvergence { rows: size, columns: size })
        }
    }
}

/// The reflections of a few columns: H_1·H_2·… = 1 − V·F·Vᴴ.
struct Panel<T> {
    /// V, of which column j begins below row j; [n, k].
    vectors: Columns<T>,
    /// F, upper triangular; [k, k].
    factor: Mat<T>,
}

impl<T: Entry> Panel<T> {
    /// Reflects some columns from `start` on, as many as a panel has, to a diagonal and what is below it; the rest of the matrix
    /// follows.
    fn new(
        a: &mut Columns<T>,
        start: usize,
        diagonal: &mut [T],
        below: &mut [T],
        going: &Going<'_>,
    ) -> Result<Self> {
        let size = a.rows - start;
        let width = PANEL.min(size);
        let (mut v, mut w) = (Columns::<T>::zeros(size, width), Columns::<T>::zeros(size, width));
        let mut strengths = vec![0.0; width];
        for j in 0..width {
            ask(going)?;
            let mut column = a.column(start + j, start + j).to_vec();
            for (left, right) in [(&v, &w), (&w, &v)] {
                let weights: Vec<T> = (0..j).map(|before| -right.column(before, j)[0].conjugate()).collect();
                T::add_columns(left, j, &weights, &mut column);
            }
            diagonal[j] = T::from(column[0].real_part());
            let (first, x) = (j + 1, &mut column[1..]);
            if x.is_empty() {
                break;
            }
            let strength;
            (below[j], strength) = reflection(x);
            strengths[j] = strength;
            if strength == 0.0 {
                continue;
            }
            v.column_mut(j, first).copy_from_slice(x);
            let mut image = T::image(a, start + first, x);
            for (left, right) in [(&v, &w), (&w, &v)] {
                let along = T::products(right, first, j, x);
                let weights: Vec<T> = along.into_iter().map(T::neg).collect();
                T::add_columns(left, first, &weights, &mut image);
            }
            let along: T = x.iter().zip(&image).map(|(x, y)| x.conjugate() * *y).sum();
            let shift = along * (strength / 2.0);
            for ((w, x), y) in w.column_mut(j, first).iter_mut().zip(x).zip(image) {
                *w = (y - *x * shift) * strength;
            }
        }
        T::follow(a, start + width, v.part(width, 0, width), w.part(width, 0, width));
        Ok(Self { factor: factor(v.part(0, 0, width), &strengths), vectors: v })
    }

    /// X ← (1 − V·F·Vᴴ)·X.
    fn apply(&self, mut x: MatMut<'_, T>, going: &Going<'_>) -> Result<()> {
        let (factor, vectors) = (&self.factor, self.vectors.part(0, 0, self.factor.ncols()));
        for start in (0..x.ncols()).step_by(VECTORS) {
            ask(going)?;
            let count = VECTORS.min(x.ncols() - start);
            let part = x.as_mut().subcols_mut(start, count);
            let along = multiply(factor.as_ref(), multiply(vectors.adjoint(), part.as_ref()).as_ref());
            matmul(part, Accum::Add, vectors, along.as_ref(), T::from(-1.0), Par::Seq);
        }
        Ok(())
    }
}

/// F of reflections with these V and τ.
fn factor<T: Entry>(v: MatRef<'_, T>, strengths: &[f64]) -> Mat<T> {
    let products = multiply(v.adjoint(), v);
    let mut factor = Mat::<T>::zeros(strengths.len(), strengths.len());
    for (j, &strength) in strengths.iter().enumerate() {
        for i in 0..j {
            let sum: T = (i..j).map(|k| factor[(i, k)] * products[(k, j)]).sum();
            factor[(i, j)] = sum * -strength;
        }
        factor[(j, j)] = T::from(strength);
    }
    factor
}

/// The reflection that takes a vector to its first entry alone: what that becomes, and τ, which is 0 where there is nothing to do.
/// The vector becomes v, with 1 for its first entry.
fn reflection<T: Entry>(x: &mut [T]) -> (T, f64) {
    let head = x[0];
    let tail: f64 = x[1..].iter().map(|x| x.square()).sum();
    // Smaller squares have lost digits; beside a largest entry of 1 they are nothing.
    if tail <= f64::MIN_POSITIVE / f64::EPSILON {
        return (head, 0.0);
    }
    let size = head.square().sqrt();
    let phase = if 0.0 < size { head * size.recip() } else { T::from(1.0) };
    let becomes = -phase * (size.powi(2) + tail).sqrt();
    let first = head - becomes;
    x[0] = T::from(1.0);
    x[1..].iter_mut().for_each(|x| *x /= first);
    (becomes, 2.0 / (1.0 + tail / first.square()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::c64;
    use rankine_random::Rng;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Numbers as they are drawn.
    trait Drawn: Entry {
        fn draw(rng: &mut Rng) -> Self;
    }

    impl Drawn for f64 {
        fn draw(rng: &mut Rng) -> Self {
            rng.normal_f64()
        }
    }

    impl Drawn for c64 {
        fn draw(rng: &mut Rng) -> Self {
            Self::new(rng.normal_f64(), rng.normal_f64())
        }
    }

    /// A·Aᴴ of a random A; [size, size] of this rank.
    fn random<T: Drawn>(size: usize, rank: usize) -> Mat<T> {
        let mut rng = Rng::new(5).fork_index("tridiagonal", size);
        let a = Mat::from_fn(size, rank, |_, _| T::draw(&mut rng));
        multiply(a.as_ref(), a.adjoint())
    }

    fn largest_magnitude<T: Entry>(difference: &Mat<T>) -> f64 {
        let squares = difference.col_iter().flat_map(|column| column.iter());
        squares.map(|x| x.square()).fold(0.0, f64::max).sqrt()
    }

    /// Values (descending where there are few) as expected, vectors orthonormal, and eigenvectors.
    fn is_right<T: Entry>(name: &str, a: &Mat<T>, found: &Eigen<T>, expected: &[f64]) {
        let (largest, count) = (expected.iter().fold(0.0, |most: f64, x| most.max(x.abs())), expected.len());
        let apart = found.values.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(
            found.values.len() == count && apart <= 1e-13 * a.nrows() as f64 * largest,
            "{name}: {apart:e}"
        );
        let unit = Mat::from_fn(count, count, |i, j| T::from(if i == j { 1.0 } else { 0.0 }));
        let defect = multiply(found.vectors.adjoint(), found.vectors.as_ref()) - unit;
        assert!(largest_magnitude(&defect) < 1e-12, "{name}");
        let scaled = Mat::from_fn(a.nrows(), count, |i, j| found.vectors[(i, j)] * found.values[j]);
        let left = multiply(a.as_ref(), found.vectors.as_ref()) - scaled;
        assert!(largest_magnitude(&left) <= 1e-12 * largest, "{name}");
    }

    fn panels_agree<T: Drawn>() {
        for (size, rank) in [(1, 1), (2, 2), (PANEL, 5), (PANEL + 1, 40), (3 * PANEL - 1, 20)] {
            for scale in [1.0, 1e-170, 1e150] {
                let name = format!("{size}, {scale:e}");
                let plain = random::<T>(size, rank);
                let a = Mat::from_fn(size, size, |i, j| plain[(i, j)] * scale);
                let expected: Vec<f64> =
                    eigh(plain.as_ref()).unwrap().values.into_iter().map(|value| value * scale).collect();
                is_right(&name, &a, &by_panels(a.as_ref(), &|| true).unwrap(), &expected);
                let alone = values(a.as_ref()).unwrap();
                let near = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-12 * expected[size - 1];
                assert!(alone.iter().zip(&expected).all(near), "{name}");
            }
        }
    }

    #[test]
    fn panels_agree_with_the_whole() {
        panels_agree::<f64>();
        panels_agree::<c64>();
    }

    #[test]
    fn the_largest_are_those_of_the_whole() {
        for (size, rank, count) in [(1, 1, 1), (40, 40, 1), (40, 3, 7), (90, 90, 25), (90, 60, 90)] {
            for scale in [1.0, 1e-170, 1e150] {
                let plain = random::<f64>(size, rank);
                let a = Mat::from_fn(size, size, |i, j| plain[(i, j)] * scale);
                let mut expected = eigh(plain.as_ref()).unwrap().values;
                expected.reverse();
                let expected: Vec<f64> =
                    expected.into_iter().take(count).map(|value| value * scale).collect();
                let found = largest(a.as_ref(), count).unwrap();
                is_right(&format!("{size}, {rank}, {count}, {scale:e}"), &a, &found, &expected);
            }
        }
        let equal = Mat::<f64>::identity(50, 50);
        is_right("identity", &equal, &largest(equal.as_ref(), 9).unwrap(), &[1.0; 9]);
        let nothing = Mat::<f64>::zeros(6, 6);
        is_right("zeros", &nothing, &largest(nothing.as_ref(), 2).unwrap(), &[0.0; 2]);
        assert!(largest(Mat::from_fn(2, 2, |_, _| f64::NAN).as_ref(), 1).is_err());
    }

    /// Sizes at which columns stand apart in memory, and products go by parts.
    #[test]
    fn a_large_matrix_takes_this_way() {
        let size = 1024;
        let a = Mat::from_fn(size, size, |i, j| {
            1.0 / (1.0 + i.abs_diff(j) as f64) + if i == j { 3.0 } else { 0.0 }
        });
        let found = eigh(a.as_ref()).unwrap();
        let (first, last) = (found.values[0], found.values[size - 1]);
        let sum: f64 = found.values.iter().sum();
        assert!((sum - 4.0 * size as f64).abs() < 1e-9 * sum && 0.0 < first);
        let squares: f64 = found.values.iter().map(|x| x * x).sum();
        assert!((squares - a.squared_norm_l2()).abs() < 1e-10 * squares);
        let ends = Mat::from_fn(size, 2, |i, j| found.vectors[(i, if j == 0 { 0 } else { size - 1 })]);
        is_right("large", &a, &Eigen { values: vec![first, last], vectors: ends }, &[first, last]);
    }

    #[test]
    fn a_diagonal_matrix_and_nothing_are_solved() {
        let a = Mat::from_fn(40, 40, |i, j| c64::from(if i == j { (i * 7 % 40) as f64 } else { 0.0 }));
        let found = by_panels(a.as_ref(), &|| true).unwrap().values;
        assert!(found.iter().enumerate().all(|(i, value)| (value - i as f64).abs() < 1e-12), "{found:?}");
        let nothing = by_panels(Mat::<c64>::zeros(40, 40).as_ref(), &|| true).unwrap();
        assert_eq!(nothing.values, [0.0; 40]);
        let holes = Mat::from_fn(2, 2, |_, _| c64::from(f64::NAN));
        assert!(by_panels(holes.as_ref(), &|| true).is_err());
    }

    #[test]
    fn it_ends_where_it_is_told_to() {
        let asked = AtomicUsize::new(0);
        let until = |most: usize| {
            asked.store(0, Ordering::Relaxed);
            by_panels(random::<c64>(70, 70).as_ref(), &|| asked.fetch_add(1, Ordering::Relaxed) < most)
        };
        assert!(until(usize::MAX).is_ok());
        let all = asked.load(Ordering::Relaxed);
        // Every column, T, and the vectors by every panel.
        assert_eq!(all, 70 + 1 + 3);
        for most in [0, 40, 70, all - 1] {
            assert_eq!(until(most), Err(Error::Interrupted));
            assert_eq!(asked.load(Ordering::Relaxed), most + 1);
        }
        assert_eq!(eigh_while(random::<c64>(3, 3).as_ref(), &|| false), Err(Error::Interrupted));
    }
}
