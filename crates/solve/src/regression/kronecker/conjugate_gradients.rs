//! Least squares of a Kronecker product by conjugate gradients.
//!
//!     A p = vec(A₁·P·A₂ᵀ),  Aᵀr = vec(A₁ᵀ·R·A₂)        the steps of [`crate::regression::conjugate_gradients`]
//!
//! 2·n₁·n₂·(d₁ + d₂) for the larger part of a step, and memory for three vectors of n₁·n₂; goes on from a fit that is near. The
//! condition of the product is that of A₁ times that of A₂.

use super::{Fit, KroneckerRegression};
use crate::regression::conjugate_gradients::Descent;
use crate::regression::problem::{fit, starting};
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConjugateGradients {}

impl Iterate<KroneckerRegression> for ConjugateGradients {
    type State = Descent;
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 10_000, tolerance: 1e-9 }
    }

    fn start(&self, problem: &KroneckerRegression, from: Option<&Fit>, _: &Pulse<'_>) -> Result<Descent> {
        Descent::new(problem, starting(problem, from)?, None)
    }

    fn step(&self, problem: &KroneckerRegression, state: &mut Descent, _: &Pulse<'_>) -> Result<Step> {
        state.step(problem)
    }

    fn finish(&self, problem: &KroneckerRegression, state: Descent) -> Result<Fit> {
        Ok(fit(problem, state.best, problem.target().len(), None)?.0)
    }
}
