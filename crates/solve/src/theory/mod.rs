//! Closed forms: what a method does, computed from spectra without running it.
//!
//! Functions of eigenvalues and projections; each has a simulation in the tests that it must agree with.

pub mod kernel;
pub mod linear_dynamics;
pub mod power_law;
pub mod random_features;
mod search;
pub mod self_distillation;
