//! The direct solver: a dense Cholesky factor, and refinement where rounding asks for it.
//!
//!     A = L·Lᵀ       x += L⁻ᵀ·L⁻¹·(b − A·x)
//!
//! n³/3 multiplications, n² numbers. The first step is the direct solution; a further one, taken only above the tolerance, refines
//! it. Steps are whole: where A is ill-conditioned, the curvature that the length of conjugate gradients asks for is mostly
//! rounding.

use super::position::Position;
use super::{Direction, LinearSystem, Unknowns, dense::Factor};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
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

/// Where refinement stands.
pub struct Refinement {
    position: Position,
    /// None where it was broken off before it was made.
    factor: Option<Factor>,
    /// A⁻¹·r; [n].
    correction: Vec<f64>,
}

impl Iterate<LinearSystem> for Cholesky {
    type State = Refinement;
    type Solution = Unknowns;

    /// The tolerance is that of the iterative solvers; steps end where rounding leaves nothing to refine.
    fn stop(&self) -> Stop {
        Stop { steps: 1000, tolerance: 1e-4 }
    }

    fn start(
        &self,
        problem: &LinearSystem,
        from: Option<&Unknowns>,
        pulse: &Pulse<'_>,
    ) -> Result<Refinement> {
        let factor = match self.factor(problem, pulse) {
            Err(error) if error.is_interruption() => None,
            made => Some(made?),
        };
        let correction = vec![0.0; problem.rhs().len()];
        Ok(Refinement { position: Position::new(problem, from)?, factor, correction })
    }

    fn step(&self, problem: &LinearSystem, state: &mut Refinement, _: &Pulse<'_>) -> Result<Step> {
        let Refinement { position, factor, correction } = state;
        let factor = factor.as_ref().ok_or(Error::INTERRUPTED)?;
        factor.propose(position.residual(), correction);
        problem.freeze(correction);
        Ok(position.refine(problem, correction))
    }

    fn finish(&self, problem: &LinearSystem, state: Refinement) -> Result<Unknowns> {
        state.position.finish(problem, 0)
    }
}

impl Cholesky {
    /// L.
    ///
    /// # Errors
    /// When there are too many unknowns, the operator has no entries, or is not positive definite; when `pulse` stops.
    pub(super) fn factor(&self, problem: &LinearSystem, pulse: &Pulse<'_>) -> Result<Factor> {
        let (unknowns, limit) = (problem.rhs().len(), self.largest);
        if unknowns > limit {
            return Err(Error::Large { what: "a dense factor", unknowns, limit });
        }
        let matrix = problem.operator().matrix().ok_or(Error::Lacks { what: "the entries of the matrix" })?;
        Factor::new(matrix.sparse(), &|| pulse.beats())
    }
}

impl Direction for Factor {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        direction.copy_from_slice(residual);
        self.solve(direction);
    }
}
