//! Gradient descent on one factor: the baseline whose rate falls to 1/t when k is above the rank of M.
//!
//!     minimise ¼·‖A(X·Xᵀ) − y‖²        X ← X − (η/(g·σ))·sym(A*(A(X·Xᵀ) − y))·X        X₀: normal, α·√(σ/n)
//!
//! One reading of the measurements a step.
//!
//! Paper: [matrix_sensing], model A. Departure: η and α are in units of the problem (g and σ: see the question).

use super::Sensing;
use super::descent::{Descent, Loss, random, scale};
use crate::check::positive;
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SymmetricGradient {
    /// Length of a step.
    pub eta: f64,
    /// Size of the start.
    pub alpha: f64,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for SymmetricGradient {
    fn default() -> Self {
        Self { eta: 0.2, alpha: 0.2, seed: 0 }
    }
}

/// What it keeps.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate.
    pub descent: Descent,
    /// η/(g·σ).
    length: f64,
}

impl Iterate<Sensing> for SymmetricGradient {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 2000, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Sensing, from: Option<&Factors>, _: &Pulse<'_>) -> Result<State> {
        let side = problem.side()?;
        positive("eta", self.eta)?;
        positive("alpha", self.alpha)?;
        let sigma = scale(problem)?;
        let rng = Rng::new(self.seed).fork("recovery/symmetric");
        let x = match from {
            Some(from) => problem.check(from).map(|()| from.left.clone())?,
            None => random(side, problem.rank(), self.alpha * sigma.sqrt(), rng),
        };
        let descent = Descent::new(problem, Factors { left: x.clone(), right: x }, Loss::Square)?;
        Ok(State { descent, length: self.eta / (problem.operator().gain() * sigma) })
    }

    fn step(&self, problem: &Sensing, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        let x = &state.descent.factors.left;
        let next = x - state.length * state.descent.pass.adjoint.symmetric_times(x.as_ref());
        Ok(state.descent.go_symmetric(problem, next))
    }

    fn finish(&self, _: &Sensing, state: State) -> Result<Factors> {
        Ok(state.descent.finish())
    }
}
