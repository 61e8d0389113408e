//! The direct solver: a dense Cholesky factor, and refinement where rounding asks for it.
//!
//!     A = L·Lᵀ       x = L⁻ᵀ·L⁻¹·b
//!
//! n³/3 multiplications, n² numbers. The factor preconditions conjugate gradients, so that one step is the direct solution and
//! a further one, taken only above the tolerance, refines it.

use super::{Direction, LinearSystem, Precondition, dense::Factor};
use crate::{Error, Pulse, Result};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cholesky {
    /// Unknowns at most; a guard of the memory, of which n² numbers are taken.
    pub largest: usize,
}

impl Default for Cholesky {
    /// Up to half a gigabyte.
    fn default() -> Self {
        Self { largest: 8192 }
    }
}

impl Precondition for Cholesky {
    fn prepare(&self, problem: &LinearSystem, pulse: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        let (unknowns, limit) = (problem.rhs().len(), self.largest);
        if unknowns > limit {
            return Err(Error::Large { what: "a dense factor", unknowns, limit });
        }
        let matrix = problem.operator().matrix().ok_or(Error::Lacks { what: "the entries of the matrix" })?;
        Ok(Box::new(Factor::new(matrix.sparse(), &|| pulse.beats())?))
    }
}

impl Direction for Factor {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        direction.copy_from_slice(residual);
        self.solve(direction);
    }
}
