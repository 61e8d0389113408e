//! Checks of settings and numbers, each with the error that names what is wrong.

use crate::{Error, Result};
use faer::MatRef;

/// A setting that must be finite and `fits`.
pub(crate) fn within(name: &'static str, found: f64, fits: bool, range: &'static str) -> Result<()> {
    if fits && found.is_finite() { Ok(()) } else { Err(Error::Setting { name, found, range }) }
}

/// A setting that must be positive.
pub(crate) fn positive(name: &'static str, found: f64) -> Result<()> {
    within(name, found, 0.0 < found, "a finite number above 0")
}

/// A setting that must not be negative.
pub(crate) fn not_negative(name: &'static str, found: f64) -> Result<()> {
    within(name, found, 0.0 <= found, "a finite number of at least 0")
}

/// A share of something that must not be the whole.
pub(crate) fn share(name: &'static str, found: f64) -> Result<()> {
    within(name, found, (0.0..1.0).contains(&found), "at least 0 and below 1")
}

/// A count that must not be 0.
pub(crate) fn at_least_one(name: &'static str, found: usize) -> Result<()> {
    within(name, found as f64, 1 <= found, "at least 1")
}

/// A rank or a count that must be in `least..=most`.
pub(crate) fn fits(name: &'static str, found: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(Error::Fit { name, found, least, most }) }
}

/// The first number of a list that is not finite is an error.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(Error::NotFinite { what, index: vec![index], value }),
        None => Ok(()),
    }
}

/// The first entry of a matrix, column after column, that is not finite is an error.
pub(crate) fn finite_matrix(what: &'static str, matrix: MatRef<'_, f64>) -> Result<()> {
    for (column, entries) in matrix.col_iter().enumerate() {
        if let Some((row, &value)) = entries.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite { what, index: vec![row, column], value });
        }
    }
    Ok(())
}
