//! Transport: how to carry one distribution of mass over to another at the least cost.
//!
//!     minimise ⟨C, P⟩ + penalty(P)     subject to P ≥ 0, P·1 = a, Pᵀ·1 = b
//!
//! C: cost [n, m]; a: source [n]; b: target [m]; P: the plan [n, m]. The penalty is the solver's: none (`exact`), entropy
//! ε·Σ P·(log P − 1) (the Sinkhorn family), (ε/2)·‖P‖² (`quadratic`), the same with at most k entries a column
//! (`sparsity-constrained`), where ε is the problem's `regularization`. Residual: (‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁) / Σ a; `exact`
//! adds its duality gap.

mod annealing;
mod ascent;
mod coupling;
pub mod entropic;
pub mod exact;
mod forest;
mod kept;
pub mod line;
pub mod newton;
pub mod points;
mod problem;
pub mod quadratic;
mod rounding;
mod scan;
pub mod sinkhorn;
pub mod sinkhorn_newton_sparse;
pub mod sinkhorn_stabilized;
mod smooth;
pub mod sparsity_constrained;

pub use coupling::{Coupling, Sparse};
pub use problem::{Plan, Transport};
pub use rounding::rounded;
pub use smooth::Form;

crate::registry::solvers! {
    /// A solver of [`Transport`].
    TransportSolver: Transport => Plan;
    /// The network simplex.
    exact::Exact,
    /// Alternate scaling in the log domain.
    sinkhorn::Sinkhorn,
    /// A squared penalty.
    quadratic::Quadratic,
    /// A squared penalty, and few entries a column.
    sparsity_constrained::SparsityConstrained,
    /// Alternate scaling of a matrix, with absorption and ε-scaling.
    sinkhorn_stabilized::SinkhornStabilized,
    /// Sinkhorn-Newton-Sparse.
    sinkhorn_newton_sparse::SinkhornNewtonSparse,
    /// Newton's method with the whole plan.
    newton::Newton,
}
