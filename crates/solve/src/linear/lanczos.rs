//! Lanczos with full reorthogonalisation: Ritz values and vectors, which solvers and training data are made of.
//!
//!     A·Q = Q·T + β·q·eᵀ,   T tridiagonal = U·diag(θ)·Uᵀ,   V = Q·U
//!
//! Extreme eigenvalues come first. m steps cost m products with A and 4·n·m² for orthogonality; n·m numbers are held twice.

use super::vectors::{dot, norm};
use super::{LinearSystem, Operator};
use crate::{Error, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, ColRef, Mat, Par, Spec};
use rankine_random::Rng;

/// What a new vector may be beside the longest before the space is exhausted.
const EXHAUSTED: f64 = 1e-10;
/// Ritz values below this share of the largest are rounding: [dcdm] drops those below 1e-8 of a matrix of scale 1.
const LEAST: f64 = 1e-8;

/// Ritz pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Ritz {
    /// θ, ascending; [m].
    pub values: Vec<f64>,
    /// V, orthonormal columns; [n, m].
    pub vectors: Mat<f64>,
}

/// At most `steps` Ritz pairs of the matrix of a problem, from A times a random vector. Fewer where the space is exhausted;
/// those of vanishing value are left out.
///
/// # Errors
/// When `steps` is 0, a product is not finite, or a Ritz value is below zero.
pub fn lanczos(problem: &LinearSystem, steps: usize, seed: u64) -> Result<Ritz> {
    if steps == 0 {
        return Err(Error::Setting { name: "steps", found: 0.0, range: "at least 1" });
    }
    let size = problem.rhs().len() - problem.frozen().len();
    let (basis, alphas, betas) = tridiagonalize(problem, steps.min(size), seed)?;
    let count = alphas.len();
    let mut tridiagonal = Mat::zeros(count, count);
    for (index, &alpha) in alphas.iter().enumerate() {
        tridiagonal[(index, index)] = alpha;
        if index + 1 < count {
            tridiagonal[(index + 1, index)] = betas[index];
            tridiagonal[(index, index + 1)] = betas[index];
        }
    }
    let (values, rotation) = eigen(&tridiagonal)?;
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if let Some(&value) = values.first().filter(|&&value| value < -LEAST * largest) {
        return Err(Error::Curvature { step: count, value });
    }
    let dropped = values.partition_point(|&value| value <= LEAST * largest);
    let mut vectors = Mat::zeros(basis.nrows(), count - dropped);
    let rotation = rotation.as_ref().subcols(dropped, count - dropped);
    matmul(vectors.as_mut(), Accum::Replace, basis.as_ref().subcols(0, count), rotation, 1.0, Par::Seq);
    Ok(Ritz { values: values[dropped..].to_vec(), vectors })
}

/// Q, the diagonal of T and the entries beside it.
fn tridiagonalize(problem: &LinearSystem, steps: usize, seed: u64) -> Result<(Mat<f64>, Vec<f64>, Vec<f64>)> {
    let (size, operator) = (problem.rhs().len(), problem.operator());
    let mut rng = Rng::new(seed).fork("lanczos");
    let start: Vec<f64> = (0..size).map(|_| rng.normal_f64()).collect();
    let mut next = vec![0.0; size];
    let mut column = start;
    problem.freeze(&mut column);
    product(operator, &column, &mut next)?;
    let mut basis = Mat::zeros(size, steps);
    let (mut alphas, mut betas): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let length = norm(&next);
        let scale = alphas.iter().chain(&betas).fold(0.0, |largest: f64, value| largest.max(value.abs()));
        if length <= EXHAUSTED * scale {
            break;
        }
        column.iter_mut().zip(&next).for_each(|(column, next)| *column = next / length);
        basis.col_mut(step).copy_from(ColRef::from_slice(&column));
        if 0 < step {
            betas.push(length);
        }
        product(operator, &column, &mut next)?;
        alphas.push(dot(&column, &next));
        orthogonalize(&basis, step + 1, &mut next);
    }
    Ok((basis, alphas, betas))
}

fn product(operator: &dyn Operator, x: &[f64], product: &mut [f64]) -> Result<()> {
    operator.apply(x, product);
    super::problem::fits("a product with the matrix", product, x.len())
}

/// Takes the first `count` columns of the basis out of a vector, twice, so that nothing but rounding is left of them.
fn orthogonalize(basis: &Mat<f64>, count: usize, vector: &mut [f64]) {
    let basis = basis.as_ref().subcols(0, count);
    let mut along = vec![0.0; count];
    for _ in 0..2 {
        let target = ColMut::from_slice_mut(&mut along).as_mat_mut();
        let source = ColRef::from_slice(vector).as_mat();
        matmul(target, Accum::Replace, basis.transpose(), source, 1.0, Par::Seq);
        let target = ColMut::from_slice_mut(vector).as_mat_mut();
        let source = ColRef::from_slice(&along).as_mat();
        matmul(target, Accum::Add, basis, source, -1.0, Par::Seq);
    }
}

/// Eigenvalues, ascending, and eigenvectors.
fn eigen(matrix: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let size = matrix.nrows();
    let (mut values, mut vectors) = (Diag::zeros(size), Mat::zeros(size, size));
    let compute = ComputeEigenvectors::Yes;
    let mut memory =
        MemBuffer::new(self_adjoint_evd_scratch::<f64>(size, compute, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut memory);
    let target = Some(vectors.as_mut());
    self_adjoint_evd(matrix.as_ref(), values.as_mut(), target, Par::Seq, stack, Spec::default())
        .map_err(|_| Error::Spectrum { size })?;
    Ok((values.column_vector().iter().copied().collect(), vectors))
}
