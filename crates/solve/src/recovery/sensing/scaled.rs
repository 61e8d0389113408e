//! ScaledGD: gradients divided by the Gram matrix of the other factor, so that the condition of M does not slow them.
//!
//!     Z = A*(A(F·Gᵀ) − y)/g        F ← F − η·Z·G·(GᵀG)⁻¹,  G ← G − η·Zᵀ·F·(FᵀF)⁻¹, both from the old ones
//!
//! The start are the leading singular triples of A*(y)/g. The Gram matrices get [`JITTER`] of their trace, so that they have
//! an inverse where k is above the rank of M; the rate suffers there. Of a positive semidefinite matrix F and G are one. A
//! baseline (Tong, Ma and Chi, 2021).

use super::Sensing;
use super::descent::{Descent, Loss, spectral};
use crate::check::positive;
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::{Mat, MatRef};
use rankine_linalg::double::{multiply, solve_positive};
use serde::{Deserialize, Serialize};

/// Share of the trace that is added to the diagonal: far above rounding, far below any gap of interest.
const JITTER: f64 = 1e-10;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaledGradient {
    /// Length of a step.
    pub eta: f64,
}

impl Default for ScaledGradient {
    fn default() -> Self {
        Self { eta: 0.5 }
    }
}

impl Iterate<Sensing> for ScaledGradient {
    type State = Descent;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 1000, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Sensing, from: Option<&Factors>, _: &Pulse<'_>) -> Result<Descent> {
        positive("eta", self.eta)?;
        let factors = match from {
            Some(from) => problem.check(from).map(|()| from.clone())?,
            None => spectral(problem)?,
        };
        Descent::new(problem, factors, Loss::Square)
    }

    fn step(&self, problem: &Sensing, state: &mut Descent, _: &Pulse<'_>) -> Result<Step> {
        let (length, Factors { left, right }) = (self.eta / problem.operator().gain(), &state.factors);
        let adjoint = &state.pass.adjoint;
        let moves = (
            divided(&adjoint.times(right.as_ref()), right.as_ref(), 0.0),
            divided(&adjoint.transposed_times(left.as_ref()), left.as_ref(), 0.0),
        );
        let (Some(down), Some(across)) = moves else {
            return Ok(state.stay(problem));
        };
        let next = Factors { left: left - length * down, right: right - length * across };
        Ok(state.go(problem, next))
    }

    fn finish(&self, _: &Sensing, state: Descent) -> Result<Factors> {
        Ok(state.finish())
    }
}

/// gradient · (XᵀX + (damping + jitter)·1)⁻¹; `None` where X is 0 or too large.
pub(super) fn divided(gradient: &Mat<f64>, x: MatRef<'_, f64>, damping: f64) -> Option<Mat<f64>> {
    let mut gram = multiply(x.transpose(), x);
    let trace: f64 = (0..gram.ncols()).map(|c| gram[(c, c)]).sum();
    (0..gram.ncols()).for_each(|c| gram[(c, c)] += damping + JITTER * trace);
    Some(solve_positive(gram.as_mut(), gradient.transpose().to_owned())?.transpose().to_owned())
}
