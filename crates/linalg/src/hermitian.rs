//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices.
//!
//!     A = U · diag(p) · Uᴴ        A: [n, n]  U: [n, n] unitary  p: [n] ascending
//!
//! Costs O(n³), on the calling thread.

use crate::going::{UNASKED, ask};
use crate::tridiagonal::{self, Entry};
use crate::{Error, Going, Result, always};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::traits::{ComplexField, Conjugate};
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// Eigenvalues and eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen<T> {
    /// Ascending; [n].
    pub values: Vec<f64>,
    /// One in each column; [n, n].
    pub vectors: Mat<T>,
}

/// Those of a Hermitian matrix, of which the lower triangle is read.
///
/// # Errors
/// When it is not square, or has an entry that is not finite, or the iteration does not settle.
pub fn eigh<T: Entry>(a: MatRef<'_, T>) -> Result<Eigen<T>> {
    let (rows, columns) = a.shape();
    if T::LARGE <= rows {
        return tridiagonal::by_panels(a, &always);
    }
    let mut vectors = Mat::<T>::zeros(rows, rows);
    let values = decompose(a, Some(vectors.as_mut()))?;
    match vectors.is_all_finite() {
        true => Ok(Eigen { values, vectors }),
        false => Err(Error::NoConvergence { rows, columns }),
    }
}

/// The eigenvalues alone, ascending; [n].
///
/// # Errors
/// As [`eigh`].
pub fn eigvalsh<T: Entry>(a: MatRef<'_, T>) -> Result<Vec<f64>> {
    if T::LARGE <= a.nrows() { tridiagonal::values(a) } else { decompose(a, None) }
}

/// The eigenvalues; vectors, where they are wanted: [n, n].
fn decompose<T: ComplexField<Real = f64>>(
    a: MatRef<'_, T>,
    vectors: Option<MatMut<'_, T>>,
) -> Result<Vec<f64>> {
    let (rows, columns) = a.shape();
    if rows != columns {
        return Err(Error::Length { rows, columns: rows, found: rows * columns });
    }
    let failed = || Error::NoConvergence { rows, columns };
    if !a.is_all_finite() {
        return Err(failed());
    }
    let compute = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut values = Diag::<T>::zeros(rows);
    let scratch = self_adjoint_evd_scratch::<T>(rows, compute, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let (target, stack) = (values.as_mut(), MemStack::new(&mut memory));
    self_adjoint_evd(a, target, vectors, Par::Seq, stack, Default::default()).map_err(|_| failed())?;
    let values: Vec<f64> = values.column_vector().iter().map(T::real_part_impl).collect();
    if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(failed()) }
}

/// The product of two matrices, each of which may be a conjugate view, on the calling thread; [left.nrows, right.ncols].
pub fn multiply<T: ComplexField>(
    left: MatRef<'_, impl Conjugate<Canonical = T>>,
    right: MatRef<'_, impl Conjugate<Canonical = T>>,
) -> Mat<T> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, T::one_impl(), Par::Seq);
    product
}

/// As [`multiply`], asked before some columns of the product at a time.
///
/// # Errors
/// When `going` stops it.
pub fn multiply_while<T: ComplexField>(
    left: MatRef<'_, impl Conjugate<Canonical = T>>,
    right: MatRef<'_, impl Conjugate<Canonical = T>>,
    going: &Going<'_>,
) -> Result<Mat<T>> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    // Complex numbers are multiplied by four products.
    let width = (UNASKED / 4 / (left.nrows() * left.ncols()).max(1)).max(1);
    for start in (0..right.ncols()).step_by(width) {
        ask(going)?;
        let count = width.min(right.ncols() - start);
        let target = product.as_mut().subcols_mut(start, count);
        matmul(target, Accum::Replace, left, right.subcols(start, count), T::one_impl(), Par::Seq);
    }
    Ok(product)
}
