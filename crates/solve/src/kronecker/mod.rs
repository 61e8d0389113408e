//! Kronecker recovery: a sparse vector whose support is a product of small supports, from a Kronecker-structured dictionary.
//!
//!     y = (A₁ ⊗ … ⊗ A_d) · x + noise        A_i: [M_i, N_i]  x: [Π N_i], mostly zeros  y: [Π M_i], fewer than x
//!
//! Complex throughout; real data are complex data without imaginary parts. Vectors are arrays [N_1, …, N_d] row after row: the
//! index of the first factor runs slowest. The dictionary is never formed but by [`sbl::Sbl`].
//!
//! Objective: what the solver lowers. For the Bayesian ones −2 log of the evidence of the prior variances, up to a constant,
//! at the variances that the step began with; for the pursuits ‖y − H·x‖². Residual: how much a step changed what the solver
//! iterates: ‖new − old‖ / ‖old‖ of the prior variances where it has them, else ‖new − old‖ / ‖new‖ of x. A pursuit that has
//! reached the noise changes nothing and has the residual 0.

pub mod am;
pub mod bayes;
pub mod channel;
pub mod instance;
pub mod ksbl;
pub mod omp;
pub mod pattern_coupled;
pub mod posterior;
mod problem;
pub mod product_omp;
pub mod sbl;
pub mod svd;

pub use channel::{Channel, IrsMimo};
pub use instance::{Ensemble, Instance};
pub use problem::{KroneckerRecovery, Recovered};

crate::registry::solvers! {
    /// A solver of [`KroneckerRecovery`].
    KroneckerSolver: KroneckerRecovery => Recovered;
    /// Bayesian learning with product variances, by alternating closed forms.
    am::AmKroSbl,
    /// Bayesian learning with product variances, by singular vectors.
    svd::SvdKroSbl,
    /// Bayesian learning with product variances whose nonzeros stand in blocks.
    pattern_coupled::PcKroSbl,
    /// Bayesian learning with product variances, one alternation a step: what was there before.
    ksbl::KroSbl,
    /// Bayesian learning without structure.
    sbl::Sbl,
    /// Orthogonal matching pursuit.
    omp::Omp,
    /// Orthogonal matching pursuit with a product of supports.
    product_omp::KroOmp,
}
