//! Matrix sensing: a matrix of low rank from linear measurements, of which some may be garbage.
//!
//!     y_i = ⟨A_i, M⟩ + noise_i,  i = 1 … m        find L: [rows, k], R: [columns, k] with L·Rᵀ = M, k ≥ rank of M
//!
//! The measurements are a [`Measure`]; k is the problem's rank, which may be above that of M. Solvers of positive semidefinite
//! matrices (X·Xᵀ) take square problems only; where the measurements are [`Packed`] ones, every solver is one of them. In every
//! trace the objective is (1/m)·Σ |r_i| of the residuals r = A(L·Rᵀ) − y, whatever the solver minimises, and the residual is
//! the median of |r_i| over that of |y_i|, which up to half of the measurements being garbage do not move (where that median is
//! 0: the means). Steps and starts are in units of the problem: the gain g, with A*A near g·identity, and σ = ‖A*(y)‖₂/g, about
//! the largest singular value of M. [`subgradient`] has its own, and the size of its start does not follow that of M. What is
//! returned is the iterate at which what the solver minimises is least.

mod adjoint;
mod descent;
pub mod gradient;
mod measure;
mod packed;
mod plain;
pub mod preconditioned;
mod problem;
mod rows;
mod sampled;
pub mod scaled;
pub mod subgradient;
pub mod symmetric;
mod synthetic;

pub use adjoint::Adjoint;
pub use descent::{Descent, Loss};
pub use gradient::rebalance;
pub use measure::{Measure, Pass, Respond, Storage};
pub use packed::Packed;
pub use plain::Plain;
pub use problem::Sensing;
pub use sampled::Sampled;
pub use synthetic::{Noise, Plant, Planted};

use super::Factors;

crate::registry::solvers! {
    /// A solver of [`Sensing`].
    SensingSolver: Sensing => Factors;
    /// Sub-gradients of the sum of magnitudes, from a tiny start: blind to outliers; positive semidefinite matrices.
    subgradient::Subgradient,
    /// Gradient descent on both factors, rebalanced once.
    gradient::Gradient,
    /// Gradient descent on one factor; positive semidefinite matrices.
    symmetric::SymmetricGradient,
    /// Gradients scaled by the Gram matrix of the other factor, from a spectral start.
    scaled::ScaledGradient,
    /// The same on one factor, damped by the loss: positive semidefinite matrices.
    preconditioned::PreconditionedGradient,
}
