//! Matrices: exact and randomised SVD with fixed signs, spectra; arrays of more axes: the Tucker form.
//!
//!     A = U · diag(s) · Vᵀ        A: [rows, columns]  U: [rows, k]  s: [k]  Vᵀ: [k, columns]
//!
//! Matrices come in and go out as row-major `f32` slices with their shape. Decompositions run in `f64` inside and
//! are rounded at the end: an `f32` SVD leaves errors of some 5e-6 of the largest singular value, which is more
//! than the gap between a residual and the weight it was taken from. Only the large products of the randomised
//! method run in `f32`.
//!
//! Results depend on the input and the seed only: each decomposition runs on the calling thread, and the products
//! sum in an order that the shapes decide. No autodiff and no files here.

#![forbid(unsafe_code)]

mod dense;
mod error;
mod estimate;
mod incremental;
mod ldu;
mod leading;
mod low_rank;
mod moment;
mod orthonormal;
mod qr;
mod randomized;
mod spectrum;
mod svd;
mod truncated;
mod tucker;

pub use error::{Error, Result};
pub use estimate::{ErrorEstimate, orthonormality_defect};
pub use incremental::IncrementalPca;
pub use ldu::{Ldu, ldu};
pub use low_rank::LowRank;
pub use moment::SecondMoment;
pub use qr::{Qr, qr};
pub use spectrum::{effective_rank, energy_rank, stable_rank};
pub use svd::{Svd, singular_values, svd};
pub use truncated::{Truncation, truncated};
pub use tucker::{Tucker, hosvd, unfold};
