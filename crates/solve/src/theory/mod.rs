//! Closed forms: what a method does, computed from spectra without running it.
//!
//! Functions of eigenvalues and projections; each has a simulation in the tests that it must agree with.

pub mod kernel;
pub mod linear_dynamics;
pub mod power_law;
pub mod random_features;
mod search;
pub mod self_distillation;

use crate::{Error, Result};

/// Whether a setting is finite and at least 0.
fn at_least_zero(name: &'static str, found: f64) -> Result<()> {
    let range = "a finite number of at least 0";
    if (0.0..f64::INFINITY).contains(&found) { Ok(()) } else { Err(Error::Setting { name, found, range }) }
}

/// Whether a setting is finite and above 0.
fn above_zero(name: &'static str, found: f64) -> Result<()> {
    let range = "a finite number above 0";
    let fits = 0.0 < found && found.is_finite();
    if fits { Ok(()) } else { Err(Error::Setting { name, found, range }) }
}
