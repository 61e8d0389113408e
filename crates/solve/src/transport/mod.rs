//! Transport: how to carry one distribution of mass over to another at the least cost.
//!
//!     minimise ⟨C, P⟩ + penalty(P)     subject to P ≥ 0, P·1 = a, Pᵀ·1 = b
//!
//! C: cost [n, m]; a: source [n]; b: target [m]; P: the plan [n, m]. The penalty is the solver's: none (`exact`), entropy
//! ε·Σ P·(log P − 1) (the Sinkhorn family), (ε/2)·‖P‖² (quadratic), where ε is the problem's `regularization`. Residual:
//! ‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁.

pub mod entropic;
mod problem;
pub mod sinkhorn;

pub use problem::{Plan, Transport};

crate::registry::solvers! {
    /// A solver of [`Transport`].
    TransportSolver: Transport => Plan;
    /// Alternate scaling in the log domain.
    sinkhorn::Sinkhorn,
}
