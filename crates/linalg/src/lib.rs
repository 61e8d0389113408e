//! Matrices: exact and randomised SVD with fixed signs, spectra; arrays of more axes: the Tucker form.
//!
//!     A = U · diag(s) · Vᵀ        A: [rows, columns]  U: [rows, k]  s: [k]  Vᵀ: [k, columns]
//!
//! Matrices come in and go out as row-major `f32` slices with their shape. Decompositions run in `f64` inside and
//! are rounded at the end: an `f32` SVD leaves errors of some 5e-6 of the largest singular value, which is more
//! than the gap between a residual and the weight it was taken from. Only the large products of the randomised
//! method run in `f32`.
//!
//! Least squares, sketches and point processes take faer's matrices in double precision, and run on all threads of the
//! pool of their caller.
//!
//! What takes long there is asked between its parts whether it goes on ([`Going`]); decompositions of small square matrices,
//! such as the SVD of a triangle, are not.
//!
//! Results depend on the input and the seed only: work is cut by sizes alone, and sums are made in an order that
//! the shapes decide. No autodiff and no files here.

#![forbid(unsafe_code)]

mod alignment;
mod assignment;
mod choice;
mod dense;
pub mod double;
mod dpp;
mod error;
mod estimate;
mod going;
mod gram;
mod growing;
mod hadamard;
mod hermitian;
mod incremental;
mod inverse_iteration;
mod kronecker;
mod ldu;
mod leading;
mod leverage;
mod low_rank;
mod marchenko_pastur;
mod metric;
mod moment;
mod nonnegative;
mod orthonormal;
mod panels;
mod projection;
mod proximal;
mod qr;
mod randomized;
mod sketch;
mod spectrum;
mod squared;
mod svd;
mod tall;
mod tridiagonal;
mod truncated;
mod tucker;

pub use alignment::{Alignment, alignment};
pub use assignment::{Aim, assignment};
pub use dpp::{ProjectionDpp, dpp_by_rejection, greedy_rows};
pub use error::{Error, Result};
pub use estimate::{ErrorEstimate, orthonormality_defect};
pub use going::{Going, always, ask};
pub use gram::gram_singular_values;
pub use growing::GrowingQr;
pub use hadamard::{Srht, TensorSrht, walsh_hadamard};
pub use hermitian::{Eigen, eigh, eigvalsh, multiply, multiply_while};
pub use incremental::IncrementalPca;
pub use kronecker::{kronecker, kronecker_apply, outer};
pub use ldu::{Ldu, ldu};
pub use leverage::leverage_scores;
pub use low_rank::LowRank;
pub use marchenko_pastur::{Noise, noise_edge};
pub use metric::{Metric, Pair};
pub use moment::SecondMoment;
pub use nonnegative::nonnegative_least_squares;
pub use projection::{keep_largest, project_simplex, project_sparse_simplex, simplex_threshold};
pub use proximal::{
    group_soft_threshold, max_threshold, project_l1_ball, singular_value_threshold, soft_threshold,
};
pub use qr::{Qr, qr};
pub use sketch::{Gaussian, RowSample, Sketch, Sparse};
pub use spectrum::{effective_rank, energy_rank, stable_rank};
pub use svd::{Svd, singular_values, svd};
pub use tall::{tall_gram, tall_product, tall_singular_values, tall_transposed, tall_triangle};
pub use tridiagonal::{Columns, Entry, eigh_while};
pub use truncated::{Truncation, truncated};
pub use tucker::{Tucker, hosvd, unfold};
