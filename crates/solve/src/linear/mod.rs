//! Linear systems with a symmetric positive definite matrix.
//!
//!     A·x = b       or: minimise φ(x) = ½·xᵀ·A·x − bᵀ·x
//!
//! A: [n, n], an [`Operator`]: entries ([`SparseSymmetric`]), a grid ([`Poisson`]) or what the caller brings; b, x: [n]. Unknowns
//! whose row is empty, such as the solid cells of a grid, are frozen at zero. Objective: φ. Residual: ‖b − A·x‖ / ‖b‖, with
//! 1 for ‖b‖ where b is zero; it is carried along, and computed from x whenever it has fallen tenfold and at the end. What is
//! returned is the last x, or that of the least residual where φ is no smaller at the last or its residual has exploded (1e12 of it).
//!
//! That a matrix is not positive definite is an error that says where it was seen: at a pivot, or as a direction along which it
//! curves downwards.

mod aggregation;
pub mod cg;
pub mod cholesky;
pub mod dcdm;
mod dense;
mod direction;
pub mod incomplete_cholesky;
pub mod jacobi;
mod lanczos;
mod matrix;
mod misfit;
pub mod multigrid;
mod obstacle;
mod operator;
mod poisson;
mod position;
mod precondition;
mod problem;
mod sine;
mod sparse;
pub mod spectral;

pub use direction::{Direction, Identity};
pub use lanczos::{Ritz, lanczos};
pub use matrix::SparseSymmetric;
pub use misfit::misfit;
pub use obstacle::{Drive, Obstacle};
pub use operator::Operator;
pub use poisson::Poisson;
pub use precondition::{Conjugate, Precondition};
pub use problem::{LinearSystem, Unknowns};
pub use sine::SineInverse;

crate::registry::solvers! {
    /// A solver of [`LinearSystem`].
    LinearSolver: LinearSystem => Unknowns;
    /// Conjugate gradients.
    cg::Cg,
    /// … with the diagonal as preconditioner.
    jacobi::Jacobi,
    /// … with an incomplete Cholesky factor.
    incomplete_cholesky::IncompleteCholesky,
    /// … with Ritz vectors.
    spectral::Spectral,
    /// … with a V-cycle of algebraic multigrid.
    multigrid::Multigrid,
    /// A dense Cholesky factor.
    cholesky::Cholesky,
    /// Conjugate directions that a network, or another guide, proposes.
    dcdm::Dcdm,
}
