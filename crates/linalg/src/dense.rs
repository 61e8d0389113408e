//! The bridge to faer: checked row-major slices in, small dense decompositions in `f64`.
//!
//! Everything runs with [`Par::Seq`]: how work is cut between threads would change the last bits, and callers
//! decompose many weights at once anyway.

use crate::going::{UNASKED, ask};
pub(crate) use crate::hermitian::multiply;
use crate::panels::PANEL;
use crate::{Error, Going, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{self as llt, LltError};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_householder,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::qr::no_pivoting::factor as qr;
use faer::linalg::svd::{self, ComputeSvdVectors, SvdError, SvdParams};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Spec, unzip, zip};
use std::borrow::Cow;
use std::ops::Range;

/// Thin factors of a matrix; k = min(rows, columns), or less.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// Left vectors; [rows, k].
    pub u: Mat<f64>,
    /// Singular values, descending; [k].
    pub s: Vec<f64>,
    /// Right vectors; [columns, k].
    pub v: Mat<f64>,
}

/// Whether `a` is a non-empty matrix of finite numbers; returns its largest magnitude.
pub(crate) fn check(a: &[f32], rows: usize, columns: usize) -> Result<f32> {
    if rows.checked_mul(columns) != Some(a.len()) {
        return Err(Error::Length { rows, columns, found: a.len() });
    }
    if a.is_empty() {
        return Err(Error::Empty { rows, columns });
    }
    // The bits of magnitudes are in their order, with ∞ and NaN above all: whole numbers are compared many at a time.
    let magnitude = |x: &f32| (x.to_bits() & 0x7fff_ffff) as i32;
    let largest = f32::from_bits(a.iter().map(magnitude).fold(0, i32::max) as u32);
    if largest.is_finite() {
        return Ok(largest);
    }
    let at = a.iter().position(|x| !x.is_finite()).unwrap_or_default();
    Err(Error::NotFinite { row: at / columns, column: at % columns, value: a[at] })
}

/// The matrix with a magnitude whose products stay far from the ends of `f32`, and the factor back.
pub(crate) fn tamed(a: &[f32], largest: f32) -> (Cow<'_, [f32]>, f64) {
    const SAFE: std::ops::Range<f32> = 1e-12..1e12;
    if largest == 0.0 || SAFE.contains(&largest) {
        return (Cow::Borrowed(a), 1.0);
    }
    let unscale = f64::from(largest);
    (a.iter().map(|&x| (f64::from(x) / unscale) as f32).collect(), unscale)
}

/// A row-major slice as a matrix in double precision; [rows, columns].
pub(crate) fn widen(a: &[f32], rows: usize, columns: usize) -> Mat<f64> {
    let mut wide = Mat::zeros(rows, columns);
    for (high, left) in tiles(rows, columns) {
        for column in left {
            let entries = a[column..].iter().step_by(columns).skip(high.start);
            let target = &mut wide.col_as_slice_mut(column)[high.clone()];
            target.iter_mut().zip(entries).for_each(|(wide, entry)| *wide = f64::from(*entry));
        }
    }
    wide
}

/// A matrix as a row-major slice; [a.nrows, a.ncols].
pub(crate) fn row_major(a: MatRef<'_, f64>) -> Vec<f32> {
    let (rows, columns) = a.shape();
    let mut slice = vec![0.0; rows * columns];
    for (high, left) in tiles(rows, columns) {
        for column in left {
            let entries = a.col(column).subrows(high.start, high.len());
            let target = slice[column..].iter_mut().step_by(columns).skip(high.start);
            target.zip(entries.iter()).for_each(|(narrow, entry)| *narrow = *entry as f32);
        }
    }
    slice
}

/// Rows and columns of the parts of a matrix that are small enough to go from rows to columns within the processor's cache.
fn tiles(rows: usize, columns: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    const HEIGHT: usize = 64;
    // As many f32 as come from memory together.
    const WIDTH: usize = 16;
    let parts = |size: usize, step: usize| (0..size).step_by(step).map(move |at| at..size.min(at + step));
    parts(rows, HEIGHT).flat_map(move |high| parts(columns, WIDTH).map(move |left| (high.clone(), left)))
}

/// The transpose of a matrix as a row-major slice; [a.ncols, a.nrows].
pub(crate) fn transposed(a: MatRef<'_, f64>) -> Vec<f32> {
    let mut rows = Vec::with_capacity(a.nrows() * a.ncols());
    for column in a.col_iter() {
        match column.try_as_col_major() {
            Some(column) => rows.extend(column.as_slice().iter().map(|&x| x as f32)),
            None => rows.extend(column.iter().map(|&x| x as f32)),
        }
    }
    rows
}

/// Two matrices side by side; [rows, left.ncols + right.ncols].
pub(crate) fn beside(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut both = Mat::zeros(left.nrows(), left.ncols() + right.ncols());
    both.subcols_mut(0, left.ncols()).copy_from(left);
    both.subcols_mut(left.ncols(), right.ncols()).copy_from(right);
    both
}

/// The columns a·v divided by their lengths, and the lengths: what belongs to singular vectors v on the other side.
/// The lengths are made to descend where rounding has turned two that are equal.
pub(crate) fn images(a: MatRef<'_, f64>, v: MatRef<'_, f64>) -> (Mat<f64>, Vec<f64>) {
    let mut images = multiply(a, v);
    let (mut lengths, mut above) = (Vec::with_capacity(images.ncols()), f64::INFINITY);
    for column in images.col_iter_mut() {
        let length = column.as_ref().norm_l2();
        zip!(column).for_each(|unzip!(x)| *x /= length);
        above = length.min(above);
        lengths.push(above);
    }
    (images, lengths)
}

/// Singular values as `f32`, multiplied by `scale`.
pub(crate) fn narrow(s: &[f64], scale: f64) -> Result<Vec<f32>> {
    s.iter()
        .map(|&value| {
            let narrow = (value * scale) as f32;
            if narrow.is_finite() { Ok(narrow) } else { Err(Error::Overflow { value: value * scale }) }
        })
        .collect()
}

/// A·Aᵀ; [a.nrows, a.nrows].
pub(crate) fn gram(a: MatRef<'_, f64>) -> Mat<f64> {
    let mut gram = Mat::zeros(a.nrows(), a.nrows());
    let (half, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    let target = gram.as_mut();
    triangular::matmul(target, half, Accum::Replace, a, whole, a.transpose(), whole, 1.0, Par::Seq);
    for column in 0..a.nrows() {
        for row in 0..column {
            gram[(row, column)] = gram[(column, row)];
        }
    }
    gram
}

/// The thin SVD.
pub(crate) fn thin_svd(a: MatRef<'_, f64>) -> Result<Factors> {
    let (rows, columns) = a.shape();
    let count = rows.min(columns);
    let (mut u, mut v) = (Mat::zeros(rows, count), Mat::zeros(columns, count));
    let s = decompose(a, ComputeSvdVectors::Thin, Some((&mut u, &mut v)))?;
    Ok(Factors { u, s, v })
}

/// The singular values, descending; [min(rows, columns)].
pub(crate) fn values(a: MatRef<'_, f64>) -> Result<Vec<f64>> {
    decompose(a, ComputeSvdVectors::No, None)
}

/// By dividing and conquering, or, where that is not finite, by faer's QR iteration, which is slower: the first was NaN on a
/// trained matrix [256, 784] of rank 64, one among thousands.
fn decompose(
    a: MatRef<'_, f64>,
    compute: ComputeSvdVectors,
    mut vectors: Option<(&mut Mat<f64>, &mut Mat<f64>)>,
) -> Result<Vec<f64>> {
    let (rows, columns) = a.shape();
    for params in [Spec::default(), by_iteration()] {
        let vectors = vectors.as_mut().map(|(u, v)| (&mut **u, &mut **v));
        if let Some(s) = attempt(a, compute, vectors, params)? {
            return Ok(s);
        }
    }
    Err(Error::NoConvergence { rows, columns })
}

/// Never divides.
fn by_iteration() -> Spec<SvdParams, f64> {
    let mut params = Spec::<SvdParams, f64>::default();
    params.recursion_threshold = usize::MAX;
    params
}

/// `None` where a number is not finite.
fn attempt(
    a: MatRef<'_, f64>,
    compute: ComputeSvdVectors,
    mut vectors: Option<(&mut Mat<f64>, &mut Mat<f64>)>,
    params: Spec<SvdParams, f64>,
) -> Result<Option<Vec<f64>>> {
    let (rows, columns) = a.shape();
    let mut s = Diag::zeros(rows.min(columns));
    let scratch = svd::svd_scratch::<f64>(rows, columns, compute, compute, Par::Seq, params);
    let mut memory = MemBuffer::new(scratch);
    let (u, v) = match &mut vectors {
        Some((u, v)) => (Some(u.as_mut()), Some(v.as_mut())),
        None => (None, None),
    };
    svd::svd(a, s.as_mut(), u, v, Par::Seq, MemStack::new(&mut memory), params)
        .map_err(|SvdError::NoConvergence| Error::NoConvergence { rows, columns })?;
    let s: Vec<f64> = s.column_vector().iter().copied().collect();
    let finite = s.iter().all(|s| s.is_finite())
        && vectors.is_none_or(|(u, v)| u.is_all_finite() && v.is_all_finite());
    Ok(finite.then_some(s))
}

/// A = Q · R by Householder reflections, with `a` and its coefficients as faer keeps them.
pub(crate) struct Reflections {
    pub basis: Mat<f64>,
    pub coefficients: Mat<f64>,
}

impl Reflections {
    pub fn of(mut a: Mat<f64>) -> Self {
        let (rows, columns) = a.shape();
        let block = qr::recommended_block_size::<f64>(rows, columns);
        let mut coefficients = Mat::zeros(block, rows.min(columns));
        let scratch = qr::qr_in_place_scratch::<f64>(rows, columns, block, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        qr::qr_in_place(a.as_mut(), coefficients.as_mut(), Par::Seq, stack, Default::default());
        Self { basis: a, coefficients }
    }
}

/// An orthonormal basis of the columns of a tall matrix; [rows, columns]. Orthonormal even where `a` lacks rank.
pub(crate) fn orthonormal_basis(a: Mat<f64>) -> Mat<f64> {
    let count = a.nrows().min(a.ncols());
    orthonormal_columns(a, 0..count)
}

/// Some columns of that basis: orthogonal to all before them; [rows, range].
pub(crate) fn orthonormal_columns(a: Mat<f64>, range: Range<usize>) -> Mat<f64> {
    let Reflections { basis, coefficients } = Reflections::of(a);
    let (rows, count) = (basis.nrows(), coefficients.ncols());
    let mut q = Mat::from_fn(rows, range.len(), |row, column| f64::from(row == range.start + column));
    let mut memory = MemBuffer::new(apply_scratch::<f64>(rows, coefficients.nrows(), range.len()));
    let (vectors, stack) = (basis.get(.., ..count), MemStack::new(&mut memory));
    apply_householder(vectors, coefficients.as_ref(), Conj::No, q.as_mut(), Par::Seq, stack);
    q
}

/// L of P = L·Lᵀ in the lower triangle of p, of which alone it is read, and what is above it spoilt; the pivot that is not above
/// zero, where there is one.
///
/// # Errors
/// When the work is to stop.
pub(crate) fn cholesky(mut p: MatMut<'_, f64>, going: &Going<'_>) -> Result<Option<usize>> {
    let size = p.nrows();
    // All at once where that is little.
    let width = if size * size * size / 6 <= UNASKED { size.max(1) } else { PANEL };
    for start in (0..size).step_by(width) {
        ask(going)?;
        let width = width.min(size - start);
        let rest = p.as_mut().submatrix_mut(start, start, size - start, size - start);
        let (mut corner, _, mut below, mut rest) = rest.split_at_mut(width, width);
        let scratch = llt::cholesky_in_place_scratch::<f64>(width, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        let found =
            llt::cholesky_in_place(corner.as_mut(), Default::default(), Par::Seq, stack, Default::default());
        if let Err(LltError::NonPositivePivot { index }) = found {
            return Ok(Some(start + index));
        }
        if rest.ncols() == 0 {
            break;
        }
        solve_lower_triangular_in_place(corner.as_ref(), below.as_mut().transpose_mut(), Par::Seq);
        for from in (0..rest.ncols()).step_by(8 * PANEL) {
            ask(going)?;
            let columns = (8 * PANEL).min(rest.ncols() - from);
            let below = below.as_ref();
            let lower = below.subrows(from, below.nrows() - from);
            let rows = lower.nrows();
            let target = rest.as_mut().submatrix_mut(from, from, rows, columns);
            matmul(target, Accum::Add, lower, below.subrows(from, columns).transpose(), -1.0, Par::Seq);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    /// What stands in where dividing fails gives the same answer where it does not.
    #[test]
    fn the_iteration_agrees_with_dividing() {
        const RANK: usize = 40;
        for (rows, columns) in [(150, 150), (140, 300), (300, 140)] {
            let mut rng = Rng::new(1).fork_index("rows", rows);
            let mut side = |size| Mat::from_fn(size, RANK, |_, _| rng.normal_f64());
            let a = multiply(side(rows).as_ref(), side(columns).transpose());
            let count = rows.min(columns);
            let (mut u, mut v) = (Mat::zeros(rows, count), Mat::zeros(columns, count));
            let vectors = Some((&mut u, &mut v));
            let s = attempt(a.as_ref(), ComputeSvdVectors::Thin, vectors, by_iteration()).unwrap().unwrap();
            let Factors { s: expected, .. } = thin_svd(a.as_ref()).unwrap();
            assert!(s.iter().zip(&expected).all(|(s, e)| (s - e).abs() < 1e-12 * expected[0]), "{rows}");
            let scaled = Mat::from_fn(rows, count, |row, column| u[(row, column)] * s[column]);
            let left = &a - multiply(scaled.as_ref(), v.transpose());
            assert!(left.norm_l2() < 1e-12 * a.norm_l2(), "{rows} × {columns}");
        }
    }

    #[test]
    fn what_is_not_finite_is_no_answer() {
        let a = Mat::from_fn(3, 3, |row, column| if (row, column) == (1, 1) { f64::NAN } else { 1.0 });
        let found = attempt(a.as_ref(), ComputeSvdVectors::No, None, Spec::default());
        assert!(!matches!(found, Ok(Some(_))));
    }
}
