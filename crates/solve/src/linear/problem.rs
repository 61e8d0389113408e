//! The problem, its solution, and the checks of both.

use super::Operator;
use crate::{Error, Result};

/// A linear system; see the module.
#[derive(Debug)]
pub struct LinearSystem {
    operator: Box<dyn Operator>,
    rhs: Vec<f64>,
    /// Unknowns whose row is empty.
    frozen: Vec<usize>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknowns {
    /// x; [n].
    pub x: Vec<f64>,
    /// ‖b − A·x‖ / ‖b‖, computed from x at the end.
    pub residual: f64,
    /// Products with A of the steps, that last one among them; what a preconditioner took to be made is not counted.
    pub products: usize,
    /// Steps in which the direction was of no use and the residual was taken in its place.
    pub replaced: usize,
}

impl LinearSystem {
    /// Checks and keeps a problem; rhs: b, [n].
    ///
    /// # Errors
    /// When sizes do not agree or are zero, an entry of `rhs` is not finite, the diagonal has a negative entry, or an empty
    /// row meets an entry of `rhs` that is not zero.
    pub fn new(operator: impl Operator + 'static, rhs: Vec<f64>) -> Result<Self> {
        let size = operator.size();
        if size == 0 {
            return Err(Error::Empty { what: "the matrix" });
        }
        fits("the right-hand side", &rhs, size)?;
        let mut frozen = Vec::new();
        for (row, value) in operator.diagonal().unwrap_or_default().into_iter().enumerate() {
            if value.is_nan() || value < 0.0 {
                return Err(Error::NotPositive { what: "the matrix", pivot: row, value });
            }
            if value == 0.0 {
                if rhs[row] != 0.0 {
                    return Err(Error::NoSolution { row, value: rhs[row] });
                }
                frozen.push(row);
            }
        }
        Ok(Self { operator: Box::new(operator), rhs, frozen })
    }

    /// A.
    pub fn operator(&self) -> &dyn Operator {
        &*self.operator
    }

    /// b; [n].
    pub fn rhs(&self) -> &[f64] {
        &self.rhs
    }

    /// Unknowns whose row is empty; they are zero.
    pub fn frozen(&self) -> &[usize] {
        &self.frozen
    }

    /// Makes the frozen entries of a vector zero; vector: [n].
    pub(super) fn freeze(&self, vector: &mut [f64]) {
        self.frozen.iter().for_each(|&row| vector[row] = 0.0);
    }
}

/// Whether a vector has the right length and only finite entries.
pub(super) fn fits(what: &'static str, vector: &[f64], size: usize) -> Result<()> {
    if vector.len() != size {
        let reason = "the matrix has so many rows";
        return Err(Error::Size { what, unit: "entries", found: vector.len(), expected: size, reason });
    }
    match vector.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(Error::NotFinite { what, index: vec![index], value }),
        None => Ok(()),
    }
}
