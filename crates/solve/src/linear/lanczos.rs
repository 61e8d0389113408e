//! Lanczos with full reorthogonalisation: Ritz values and vectors, which a preconditioner is made of.
//!
//!     A·Q = Q·T + β·q·eᵀ,   T tridiagonal = U·diag(θ)·Uᵀ,   V = Q·U
//!
//! Extreme eigenvalues come first. m steps cost m products with A and 4·n·m² for orthogonality; n·m numbers are held twice.

use super::{LinearSystem, Operator};
use crate::vectors::{dot, multiply, norm};
use crate::{Error, Pulse, Result};
use faer::{Accum, ColRef, Mat};
use rankine_linalg::{Eigen, double, eigh};
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
/// When `steps` is 0, a product is not finite, the Ritz values are not found, or one is below zero; when `pulse` stops.
pub fn lanczos(problem: &LinearSystem, steps: usize, seed: u64, pulse: &Pulse<'_>) -> Result<Ritz> {
    if steps == 0 {
        return Err(Error::Setting { name: "steps", found: 0.0, range: "at least 1" });
    }
    let size = problem.rhs().len() - problem.frozen().len();
    let (basis, alphas, betas) = tridiagonalize(problem, steps.min(size), seed, pulse)?;
    let count = alphas.len();
    let mut tridiagonal = Mat::zeros(count, count);
    for (index, &alpha) in alphas.iter().enumerate() {
        tridiagonal[(index, index)] = alpha;
        if index + 1 < count {
            tridiagonal[(index + 1, index)] = betas[index];
            tridiagonal[(index, index + 1)] = betas[index];
        }
    }
    let Eigen { values, vectors: rotation } = eigh(tridiagonal.as_ref())?;
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if let Some(&value) = values.first().filter(|&&value| value < -LEAST * largest) {
        return Err(Error::Curvature { step: count, value });
    }
    let dropped = values.partition_point(|&value| value <= LEAST * largest);
    let rotation = rotation.as_ref().subcols(dropped, count - dropped);
    let vectors = double::multiply(basis.as_ref().subcols(0, count), rotation);
    Ok(Ritz { values: values[dropped..].to_vec(), vectors })
}

/// Q, the diagonal of T and the entries beside it.
fn tridiagonalize(
    problem: &LinearSystem,
    steps: usize,
    seed: u64,
    pulse: &Pulse<'_>,
) -> Result<(Mat<f64>, Vec<f64>, Vec<f64>)> {
    let (size, operator) = (problem.rhs().len(), problem.operator());
    let mut rng = Rng::new(seed).fork("lanczos");
    let mut column: Vec<f64> = (0..size).map(|_| rng.normal_f64()).collect();
    let mut next = vec![0.0; size];
    problem.freeze(&mut column);
    product(operator, &column, &mut next)?;
    let mut basis = Mat::zeros(size, steps);
    let (mut alphas, mut betas): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for step in 0..steps {
        pulse.check()?;
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
        multiply(&mut along, basis.transpose(), vector, 1.0, Accum::Replace);
        multiply(vector, basis, &along, -1.0, Accum::Add);
    }
}
