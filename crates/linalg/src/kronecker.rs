//! Kronecker products that are applied without being formed; real or complex.
//!
//!     (A₁ ⊗ … ⊗ A_d) · x        A_i: [m_i, n_i]  x: [Π n_i]  →  [Π m_i]
//!
//! Vectors are arrays [n_1, …, n_d] row after row: the index of the first factor runs slowest, as in `numpy.kron` and in
//! `numpy.ravel`. Applying costs Σ_i m_1⋯m_i · n_i⋯n_d products, where the formed matrix costs Π m_i · Π n_i.

use crate::{Error, Result};
use faer::linalg::{kron::kron, matmul::matmul};
use faer::traits::ComplexField;
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// A₁ ⊗ … ⊗ A_d, formed; [Π m_i, Π n_i]. The number 1 of no factors.
pub fn kronecker<T: ComplexField>(factors: &[MatRef<'_, T>]) -> Mat<T> {
    factors.iter().fold(Mat::full(1, 1, T::one_impl()), |left, right| {
        let mut product = Mat::zeros(left.nrows() * right.nrows(), left.ncols() * right.ncols());
        kron(product.as_mut(), left.as_ref(), *right);
        product
    })
}

/// (A₁ ⊗ … ⊗ A_d) · x, factor by factor; [Π m_i].
///
/// # Errors
/// When x does not have Π n_i numbers.
pub fn kronecker_apply<T: ComplexField>(factors: &[MatRef<'_, T>], x: &[T]) -> Result<Vec<T>> {
    if factors.iter().map(|factor| factor.ncols()).product::<usize>() != x.len() {
        let shape = factors.iter().map(|factor| factor.ncols()).collect();
        return Err(Error::Array { shape, found: x.len() });
    }
    let mut array = x.to_vec();
    for factor in factors {
        // [n_i, rest] row after row becomes [m_i, rest] column after column: the next axis is now the slowest.
        let (rows, columns) = factor.shape();
        let rest = array.len().checked_div(columns).unwrap_or(0);
        let mut product = vec![T::zero_impl(); rows * rest];
        let target = MatMut::from_column_major_slice_mut(&mut product, rows, rest);
        let source = MatRef::from_row_major_slice(&array, columns, rest);
        matmul(target, Accum::Replace, *factor, source, T::one_impl(), Par::Seq);
        array = product;
    }
    Ok(array)
}

/// v₁ ⊗ … ⊗ v_d; [Π n_i]. The number 1 of no vectors.
pub fn outer<T: ComplexField + Copy>(vectors: &[impl AsRef<[T]>]) -> Vec<T> {
    vectors.iter().fold(vec![T::one_impl()], |left, right| {
        left.iter().flat_map(|&x| right.as_ref().iter().map(move |&y| x * y)).collect()
    })
}
