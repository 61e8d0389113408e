//! Tall matrices in double precision on all threads: products, Gram matrices, and the triangle of a QR decomposition.
//!
//!     A = Q·R         the triangles of blocks of rows are stacked, and the triangle of that is R, signs of rows apart
//!
//! Work is cut by sizes only, and partial sums are added in their order: the result does not depend on the number of threads.
//! [`tall_triangle`] costs 2·n·d² and a third of that for the stacks, and a thread the memory of a sixteenth of the rows of A, or of
//! max(2048, 4·d) where that is more; source: Demmel, Grigori, Hoemmen and Langou 2012.

use crate::going::{UNASKED, ask};
use crate::{Error, Going, Result, always, dense, panels};
use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, ColRef, Mat, MatRef, Par};
use rayon::prelude::*;
use std::ops::Range;

/// Rows, and columns, of a product that are worked on by themselves.
const PRODUCT: [usize; 2] = [4096, 16];

/// Rows of a Gram matrix at least between two questions.
const LEAST: usize = 256;

/// R of [A B …] = Q·R, the parts side by side; [min(rows, columns), columns]. The least squares of A x ≈ b are in that of
/// [A b]: R x = c for the upper part c of the last column, and the entry below is ± the length of the residual.
///
/// # Errors
/// When the parts have different numbers of rows, or `going` stops it.
pub fn tall_triangle(parts: &[MatRef<'_, f64>], going: &Going<'_>) -> Result<Mat<f64>> {
    let rows = parts.first().map_or(0, |part| part.nrows());
    if let Some(part) = parts.iter().find(|part| part.nrows() != rows) {
        return Err(Error::Rows { found: part.nrows(), expected: rows });
    }
    let columns: usize = parts.iter().map(|part| part.ncols()).sum();
    let beside = |range: Range<usize>| {
        let mut block = Mat::zeros(range.len(), columns);
        let mut at = 0;
        for part in parts {
            block.subcols_mut(at, part.ncols()).copy_from(part.subrows(range.start, range.len()));
            at += part.ncols();
        }
        block
    };
    // Few enough multiply-adds to a block; a stack has half the rows at most.
    let most = UNASKED / columns.max(1).pow(2);
    let triangles = blocks(rows, columns, most).into_par_iter().map(|range| {
        ask(going)?;
        panels::triangle(beside(range), going)
    });
    let triangles: Vec<Mat<f64>> = triangles.collect::<Result<_>>()?;
    match triangles.as_slice() {
        [] => Ok(Mat::zeros(0, columns)),
        [only] => Ok(only.clone()),
        several => tall_triangle(&[stacked(several, columns).as_ref()], going),
    }
}

/// The singular values of a tall matrix, descending, by its triangle; [min(rows, columns)].
///
/// # Errors
/// When the SVD does not converge.
pub fn tall_singular_values(a: MatRef<'_, f64>) -> Result<Vec<f64>> {
    dense::values(tall_triangle(&[a], &always)?.as_ref())
}

fn stacked(blocks: &[Mat<f64>], columns: usize) -> Mat<f64> {
    let mut stack = Mat::zeros(blocks.iter().map(Mat::nrows).sum(), columns);
    let mut at = 0;
    for block in blocks {
        stack.subrows_mut(at, block.nrows()).copy_from(block);
        at += block.nrows();
    }
    stack
}

/// Ranges of rows: sixteen, or as many as leave each `most`, but each tall beside the number of columns.
fn blocks(rows: usize, columns: usize, most: usize) -> Vec<Range<usize>> {
    let size = rows.div_ceil(16).min(most).max(4 * columns).max(2048);
    (0..rows).step_by(size).map(|start| start..rows.min(start + size)).collect()
}

/// AᵀA and AᵀB; [a.ncols, a.ncols] and [a.ncols, b.ncols].
///
/// # Errors
/// When the numbers of rows differ, or `going` stops it.
pub fn tall_gram(a: MatRef<'_, f64>, b: MatRef<'_, f64>, going: &Going<'_>) -> Result<(Mat<f64>, Mat<f64>)> {
    if a.nrows() != b.nrows() {
        return Err(Error::Rows { found: b.nrows(), expected: a.nrows() });
    }
    let zeros = || (Mat::<f64>::zeros(a.ncols(), a.ncols()), Mat::<f64>::zeros(a.ncols(), b.ncols()));
    let part = (UNASKED / a.ncols().max(1).pow(2)).max(LEAST);
    let of = |range: Range<usize>| -> Result<(Mat<f64>, Mat<f64>)> {
        let (mut gram, mut cross) = zeros();
        for start in range.clone().step_by(part) {
            ask(going)?;
            let rows = part.min(range.end - start);
            let (a, b) = (a.subrows(start, rows), b.subrows(start, rows));
            gram += dense::gram(a.transpose());
            cross += dense::multiply(a.transpose(), b);
        }
        Ok((gram, cross))
    };
    let sums = blocks(a.nrows(), a.ncols(), usize::MAX).into_par_iter().map(of);
    let sums: Vec<_> = sums.collect::<Result<_>>()?;
    Ok(sums.into_iter().fold(zeros(), |(gram, cross), (g, c)| (gram + g, cross + c)))
}

/// A·x; [a.nrows].
///
/// # Errors
/// When x has not as many entries as A has columns.
pub fn tall_product(a: MatRef<'_, f64>, x: &[f64]) -> Result<Vec<f64>> {
    if x.len() != a.ncols() {
        return Err(Error::Rows { found: x.len(), expected: a.ncols() });
    }
    let mut product = vec![0.0; a.nrows()];
    let x = ColRef::from_slice(x).as_mat();
    product.par_chunks_mut(PRODUCT[0]).enumerate().for_each(|(chunk, target)| {
        let rows = a.subrows(chunk * PRODUCT[0], target.len());
        matmul(ColMut::from_slice_mut(target).as_mat_mut(), Accum::Replace, rows, x, 1.0, Par::Seq);
    });
    Ok(product)
}

/// Aᵀ·y; [a.ncols].
///
/// # Errors
/// When y has not as many entries as A has rows.
pub fn tall_transposed(a: MatRef<'_, f64>, y: &[f64]) -> Result<Vec<f64>> {
    if y.len() != a.nrows() {
        return Err(Error::Rows { found: y.len(), expected: a.nrows() });
    }
    let mut product = vec![0.0; a.ncols()];
    let y = ColRef::from_slice(y).as_mat();
    product.par_chunks_mut(PRODUCT[1]).enumerate().for_each(|(chunk, target)| {
        let columns = a.subcols(chunk * PRODUCT[1], target.len());
        let target = ColMut::from_slice_mut(target).as_mat_mut();
        matmul(target, Accum::Replace, columns.transpose(), y, 1.0, Par::Seq);
    });
    Ok(product)
}
