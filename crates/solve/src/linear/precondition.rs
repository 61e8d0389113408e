//! Conjugate gradients with a preconditioner: the loop that all of them share.
//!
//!     z = M⁻¹·r       p = z + (rᵀz / r'ᵀz')·p       x += (rᵀz / pᵀAp)·p
//!
//! r', z': of the step before. M must be symmetric positive definite. A step costs one product with A and one M⁻¹.

use super::position::Position;
use super::{Direction, LinearSystem, Unknowns};
use crate::vectors::{dot, scale_and_add};
use crate::{Error, Iterate, Result, Step, Stop};

/// Makes M⁻¹ for a problem. Whatever does is a solver by conjugate gradients.
pub trait Precondition {
    /// M⁻¹ for a problem, checked settings included.
    ///
    /// # Errors
    /// When a setting is outside its range, the operator does not give what is needed, or is seen not to be positive
    /// definite.
    fn prepare(&self, problem: &LinearSystem) -> Result<Box<dyn Direction>>;
}

/// Where conjugate gradients stand.
pub struct Conjugate {
    position: Position,
    preconditioner: Box<dyn Direction>,
    /// z, p and A·p; [n] each.
    preconditioned: Vec<f64>,
    direction: Vec<f64>,
    product: Vec<f64>,
    /// rᵀz of the step before; ∞ before the first.
    weight: f64,
    steps: usize,
}

impl<P: Precondition> Iterate<LinearSystem> for P {
    type State = Conjugate;
    type Solution = Unknowns;

    /// [dcdm]: four orders of magnitude, at most 1000 steps.
    fn stop(&self) -> Stop {
        Stop { steps: 1000, tolerance: 1e-4 }
    }

    fn start(&self, problem: &LinearSystem, from: Option<&Unknowns>) -> Result<Conjugate> {
        let zeros = vec![0.0; problem.rhs().len()];
        Ok(Conjugate {
            position: Position::new(problem, from)?,
            preconditioner: self.prepare(problem)?,
            preconditioned: zeros.clone(),
            direction: zeros.clone(),
            product: zeros,
            weight: f64::INFINITY,
            steps: 0,
        })
    }

    fn step(&self, problem: &LinearSystem, state: &mut Conjugate) -> Result<Step> {
        state.step(problem)
    }

    fn finish(&self, problem: &LinearSystem, state: Conjugate) -> Result<Unknowns> {
        state.position.finish(problem, 0)
    }
}

impl Conjugate {
    fn step(&mut self, problem: &LinearSystem) -> Result<Step> {
        let Self { position, preconditioned, direction, product, .. } = self;
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
            return Ok(Step { stalled: true, ..position.measure() });
        }
        scale_and_add(direction, weight / self.weight, preconditioned);
        position.product(problem, direction, product);
        let curvature = dot(direction, product);
        if !curvature.is_finite() {
            return Ok(position.refused());
        }
        if curvature <= 0.0 {
            return Err(Error::Curvature { step: self.steps, value: curvature / dot(direction, direction) });
        }
        self.weight = weight;
        Ok(position.advance(problem, weight / curvature, direction, product))
    }
}
