//! Regression on a Kronecker product, which is never formed.
//!
//!     minimise ‖(A₁ ⊗ A₂) x − b‖₂        A₁: [n₁, d₁], A₂: [n₂, d₂]; b: [n₁·n₂], x: [d₁·d₂], row i·n₂ + j, column p·d₂ + q
//!
//! With x as X [d₁, d₂] and b as B [n₁, n₂] row by row, it is ‖A₁·X·A₂ᵀ − B‖. Objective and residual are those of
//! [`super::Regression`].

pub mod conjugate_gradients;
pub mod exact;
mod problem;
pub mod tensor_srht;

pub use problem::KroneckerRegression;

use super::Fit;

crate::registry::solvers! {
    /// A solver of [`KroneckerRegression`].
    KroneckerSolver: KroneckerRegression => Fit;
    /// QR decompositions of both factors.
    exact::Exact,
    /// Conjugate gradients.
    conjugate_gradients::ConjugateGradients,
    /// Least squares of a Hadamard sketch of the product.
    tensor_srht::TensorSrht,
}
