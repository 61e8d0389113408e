//! Conjugate gradients with a preconditioner: the loop that all of them share.
//!
//!     z = M⁻¹·r       p = z + (rᵀz / r'ᵀz')·p       x += (rᵀz / pᵀAp)·p
//!
//! r', z': of the step before. M must be symmetric positive definite. A step costs one product with A and one M⁻¹.

use super::position::Position;
use super::{Direction, Identity, LinearSystem, Unknowns};
use crate::conjugate_gradient::Directions;
use crate::vectors::dot;
use crate::{Error, Iterate, Pulse, Result, Step, Stop};

/// Makes M⁻¹ for a problem. Whatever does is a solver by conjugate gradients.
pub trait Precondition {
    /// M⁻¹ for a problem, checked settings included.
    ///
    /// # Errors
    /// When a setting is outside its range, the operator does not give what is needed, or is seen not to be positive
    /// definite; when `pulse` stops.
    fn prepare(&self, problem: &LinearSystem, pulse: &Pulse<'_>) -> Result<Box<dyn Direction>>;
}

/// M⁻¹, or the identity where it was broken off before it was made.
pub(super) fn or_identity(made: Result<Box<dyn Direction>>) -> Result<Box<dyn Direction>> {
    match made {
        Err(error) if error.is_interruption() => Ok(Box::new(Identity)),
        made => made,
    }
}

/// Where conjugate gradients stand.
pub struct Conjugate {
    position: Position,
    preconditioner: Box<dyn Direction>,
    /// z and A·p; [n] each.
    preconditioned: Vec<f64>,
    product: Vec<f64>,
    along: Directions,
    steps: usize,
}

impl<P: Precondition> Iterate<LinearSystem> for P {
    type State = Conjugate;
    type Solution = Unknowns;

    /// [dcdm]: four orders of magnitude, at most 1000 steps.
    fn stop(&self) -> Stop {
        Stop { steps: 1000, tolerance: 1e-4 }
    }

    fn start(&self, problem: &LinearSystem, from: Option<&Unknowns>, pulse: &Pulse<'_>) -> Result<Conjugate> {
        let zeros = vec![0.0; problem.rhs().len()];
        Ok(Conjugate {
            position: Position::new(problem, from)?,
            preconditioner: or_identity(self.prepare(problem, pulse))?,
            along: Directions::new(zeros.len()),
            preconditioned: zeros.clone(),
            product: zeros,
            steps: 0,
        })
    }

    fn step(&self, problem: &LinearSystem, state: &mut Conjugate, _: &Pulse<'_>) -> Result<Step> {
        state.step(problem)
    }

    fn finish(&self, problem: &LinearSystem, state: Conjugate) -> Result<Unknowns> {
        state.position.finish(problem, 0)
    }
}

impl Conjugate {
    fn step(&mut self, problem: &LinearSystem) -> Result<Step> {
        let Self { position, preconditioned, product, along, .. } = self;
        self.steps += 1;
        if position.residual().iter().all(|&residual| residual == 0.0) {
            return Ok(position.measure());
        }
        self.preconditioner.propose(position.residual(), preconditioned);
        problem.freeze(preconditioned);
        let weight = dot(position.residual(), preconditioned);
        if !weight.is_finite() {
            return Ok(position.refused());
        }
        if weight <= 0.0 {
            // Of the preconditioners here, which are positive definite, nothing but rounding is left.
            return Ok(position.stay(problem));
        }
        along.turn(weight, preconditioned);
        let direction = &along.direction;
        position.product(problem, direction, product);
        let curvature = dot(direction, product);
        if !curvature.is_finite() {
            return Ok(position.refused());
        }
        if curvature <= 0.0 {
            return Err(Error::Curvature { step: self.steps, value: curvature / dot(direction, direction) });
        }
        Ok(position.advance(problem, along.length(curvature), direction, product))
    }
}
