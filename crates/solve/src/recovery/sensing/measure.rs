//! What measures a matrix.

use super::Adjoint;
use faer::MatRef;
use std::fmt::Debug;

/// A linear map A from matrices to m numbers, with its adjoint A*(w) = Σ w_i·A_i.
pub trait Measure: Debug + Send + Sync {
    /// Rows and columns of the matrices that it measures.
    fn shape(&self) -> (usize, usize);

    /// How many numbers it gives; m.
    fn count(&self) -> usize;

    /// g, with A*A near g·identity on matrices of low rank.
    fn gain(&self) -> f64;

    /// Whether it is there for positive semidefinite matrices X·Xᵀ, of which left and right are X.
    fn positive(&self) -> bool {
        false
    }

    /// A(left·rightᵀ), and A* of what `respond` makes of each of these numbers, in one reading of the A_i.
    /// left: [rows, k], right: [columns, k]; k may be 0.
    fn pass(&self, left: MatRef<'_, f64>, right: MatRef<'_, f64>, respond: &Respond<'_>) -> Pass;
}

/// From the index of a measurement and its value at the iterate to the weight of A_i; called from several threads.
pub type Respond<'a> = dyn Fn(usize, f64) -> f64 + Sync + 'a;

/// What one reading of the measurements gives.
#[derive(Clone, Debug)]
pub struct Pass {
    /// A(left·rightᵀ); [m].
    pub values: Vec<f64>,
    /// A* of the responses; [rows, columns].
    pub adjoint: Adjoint,
}

/// A number as it is kept: in single precision it takes half the time to read. Sums are always in double precision.
pub trait Storage: Copy + Debug + Into<f64> + Send + Sync {
    /// The nearest number that is kept.
    fn narrow(value: f64) -> Self;
}

impl Storage for f64 {
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Storage for f32 {
    fn narrow(value: f64) -> Self {
        value as Self
    }
}
