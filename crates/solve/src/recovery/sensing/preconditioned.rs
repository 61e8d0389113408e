//! PrecGD: gradient descent on one factor, divided by its Gram matrix and damped by the loss.
//!
//!     X ← X − η·Z·X·(XᵀX + λ·1)⁻¹        Z = sym(A*(A(X·Xᵀ) − y))/g,  λ = ‖A(X·Xᵀ) − y‖₂/√g
//!
//! Linear also where k is above the rank of M, since the damping falls with the error. The start is positive part of the
//! leading triples of A*(y)/g. A baseline (Zhang, Fattahi and Zhang, 2021), the strongest of first order.

use super::Sensing;
use super::descent::{Descent, Loss, spectral};
use super::scaled::divided;
use crate::check::positive;
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreconditionedGradient {
    /// Length of a step.
    pub eta: f64,
}

impl Default for PreconditionedGradient {
    fn default() -> Self {
        Self { eta: 0.5 }
    }
}

impl Iterate<Sensing> for PreconditionedGradient {
    type State = Descent;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 1000, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Sensing, from: Option<&Factors>, _: &Pulse<'_>) -> Result<Descent> {
        problem.side()?;
        positive("eta", self.eta)?;
        let x = match from {
            Some(from) => problem.check(from).map(|()| from.left.clone())?,
            // Where the triples of A*(y) are those of a positive matrix, left and right agree.
            None => spectral(problem).map(|Factors { left, right }| 0.5 * (left + right))?,
        };
        Descent::new(problem, Factors { left: x.clone(), right: x }, Loss::Square)
    }

    fn step(&self, problem: &Sensing, state: &mut Descent, _: &Pulse<'_>) -> Result<Step> {
        let gain = problem.operator().gain();
        let x = &state.factors.left;
        let gradient = state.pass.adjoint.symmetric_times(x.as_ref());
        let Some(change) = divided(&gradient, x.as_ref(), (state.squares(problem) / gain).sqrt()) else {
            return Ok(state.stay(problem));
        };
        let next = x - (self.eta / gain) * change;
        Ok(state.go_symmetric(problem, next))
    }

    fn finish(&self, _: &Sensing, state: Descent) -> Result<Factors> {
        Ok(state.finish())
    }
}
