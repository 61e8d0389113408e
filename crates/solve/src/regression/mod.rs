//! Regression: the coefficients of a linear model by least squares.
//!
//!     minimise ‖A x − b‖₂        A: design [n, d], n ≥ d, independent columns; b: target [n]; x: [d]
//!
//! Objective: ‖A x − b‖. Residual: ‖Aᵀ(b − A x)‖ / (‖A‖ ‖b‖), Frobenius's norm of A: zero at the solution and nowhere else.
//! The default tolerance of a sketch is its `eps`, that of the others what rounding allows. Columns that depend on each
//! other are an error that names the column.
//!
//! Exact: `qr`, `normal-equations`; iterative: `conjugate-gradients`, and `sketch-and-precondition`, which takes the same
//! steps in the basis that a sketch makes nearly orthonormal. From few rows, `sketched`: x′ = argmin ‖S A x − S b‖, where the
//! dense sketches bound every coefficient's error by (ε/√d)·‖A x* − b‖·‖A⁺‖ ([sketched_regression]) and the sparse ones and
//! samples of rows do not. [`kronecker`] is the same where A is a Kronecker product.

pub mod conjugate_gradients;
pub mod kronecker;
pub mod normal_equations;
pub mod precondition;
mod problem;
pub mod qr;
pub mod sketched;
pub(crate) mod triangle;

pub use problem::{Fit, Regression};

crate::registry::solvers! {
    /// A solver of [`Regression`].
    RegressionSolver: Regression => Fit;
    /// Householder's QR decomposition.
    qr::Qr,
    /// Cholesky's factor of AᵀA.
    normal_equations::NormalEquations,
    /// Conjugate gradients.
    conjugate_gradients::ConjugateGradients,
    /// Conjugate gradients after a sketch.
    precondition::SketchAndPrecondition,
    /// Least squares of a Hadamard sketch.
    sketched::Srht,
    /// Least squares of a Gaussian sketch.
    sketched::Gaussian,
    /// Least squares of a sketch with one entry a column.
    sketched::CountSketch,
    /// Least squares of a sketch with several entries a column.
    sketched::Osnap,
    /// Least squares of rows drawn by their leverage.
    sketched::LeverageRows,
    /// Least squares of rows drawn alike.
    sketched::UniformRows,
}
