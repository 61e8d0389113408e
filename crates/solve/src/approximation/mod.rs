//! Least squares in a space: a function by an element of a space of known functions, from few of its values.
//!
//!     minimise (1/n)·Σ w_i·(f(x_i) − Σ_j c_j φ_j(x_i))²        φ: m functions, orthonormal under a probability μ
//!     G = (1/n)·Σ w_i·φ(x_i)·φ(x_i)ᵀ                           the points are drawn so that it is near 1
//!
//! The solvers are ways to choose points and weights; the function is asked for its values at the end, n times. Each step
//! draws points anew, until λ_min(G) ≥ 1 − tolerance: the best draw is kept. Objective: 1/λ_min(G), which bounds how far the
//! error is from the best. Residual: 1 − λ_min(G), 1 where G is singular. The default tolerance is the page's δ = ½, with at
//! most 100 draws; one step leaves the law of the points as it is, and the estimate unbiased where it is. The coefficients
//! come from a QR decomposition of the weighted rows.
//! Paper: [volume_sampling]; Cohen and Migliorati 2017 for the weights w = m/‖φ‖².

mod design;
pub mod dpp;
mod family;
pub mod fekete;
pub mod monte_carlo;
pub mod optimal_iid;
mod problem;
pub mod repeated_dpp;
pub mod selected_dpp;
mod space;
mod span;
mod strategy;
pub mod volume;

pub use design::Design;
pub use family::Family;
pub use problem::{Approximation, LeastSquaresInSpace};
pub use space::{Space, TensorSpace};
pub use span::Span;
pub use strategy::{Draws, Strategy};

crate::registry::solvers! {
    /// A solver of [`LeastSquaresInSpace`].
    ApproximationSolver: LeastSquaresInSpace => Approximation;
    /// Volume sampling.
    volume::VolumeSampling,
    /// Several draws of the projection determinantal process.
    repeated_dpp::RepeatedDpp,
    /// The best of several such samples, thinned.
    selected_dpp::SelectedDpp,
    /// One draw of the process: interpolation.
    dpp::ProjectionDpp,
    /// Independent points of the optimal density.
    optimal_iid::OptimalIid,
    /// Independent points of μ itself.
    monte_carlo::MonteCarlo,
    /// Greedy points of large volume: interpolation, and no randomness but in the candidates.
    fekete::Fekete,
}
