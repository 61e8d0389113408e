//! Matrix completion: a matrix of low rank from some of its entries.
//!
//!     minimise Σ_{(i,j)∈Ω} (M_ij − ⟨l_i, r_j⟩)² + λ·(Σ_i |Ω^i|·‖l_i‖² + Σ_j |Ω_j|·‖r_j‖²)
//!
//! Ω: the entries that are known, |Ω^i| of them in row i and |Ω_j| in column j; l_i, r_j: rows of the factors, k numbers each;
//! λ: the problem's `ridge`, 0 where entries are exact. Ratings have biases beside the product: [`Completion::centred`]
//! takes them out first. In every trace the objective is the above over |Ω|, whatever the solver minimises, and the residual is
//! ‖M − L·Rᵀ‖/‖M‖ over the known entries (where M is 0, the root mean square), or over those set aside by
//! [`Completion::validated`], in which case the
//! solution is the iterate that was best there. A solver has stalled where its residual did not fall by 1e-4 of itself in
//! five steps. Entries are kept by row and by column, 12 bytes each time; all solvers take time in proportion to |Ω|.

pub mod alternating;
mod biases;
mod entries;
pub mod exact;
mod iterate;
mod problem;
mod regression;
mod ridge;
pub mod sgd;
pub mod soft_impute;
mod synthetic;

pub use biases::Biases;
pub use entries::{Entries, Entry};
pub use iterate::Iterand;
pub use problem::Completion;
pub use regression::Regression;
pub use synthetic::{Hidden, HiddenMatrix};

use super::Factors;

crate::registry::solvers! {
    /// A solver of [`Completion`].
    CompletionSolver: Completion => Factors;
    /// Alternating least squares with a few warm-started steps of conjugate gradients.
    alternating::Alternating,
    /// Alternating least squares by normal equations.
    exact::Exact,
    /// Singular values shrunk ever less, missing entries filled in.
    soft_impute::SoftImpute,
    /// Stochastic gradients, entry by entry.
    sgd::Sgd,
}
