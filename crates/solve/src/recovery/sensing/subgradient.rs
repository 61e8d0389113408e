//! SubGM: sub-gradients of the sum of magnitudes from a tiny start, which find M under gross outliers and without its rank.
//!
//!     f(U) = (1/m)·Σ |⟨A_i, U·Uᵀ⟩ − y_i|        U: [d, k], k up to d
//!     Q    = sym((1/m)·Σ sign(⟨A_i, U·Uᵀ⟩ − y_i)·A_i)
//!     U₀   = α·V·diag(max(λ, 0))^½ of the leading eigenpairs of C = −Q(0)
//!     U   ← U − η_t·Q·U,   η_t = η·ρ^t/‖Q‖₂  (geometric)   or   η·(f(U)/f(0))/‖C‖₂  (polyak)
//!
//! The size of an outlier is never seen, only its sign; directions beyond the rank of M stay as small as the start. ‖Q‖₂ is
//! by power iteration, warm-started. One reading of the measurements a step: 2·m·d² multiply-adds; the start costs O(d³). From a
//! solution that is given, the η of geometric steps is halved first until a step does not make f larger: near the end it is left
//! otherwise.
//!
//! Paper: [subgradient_recovery]. Departure: the `polyak` step is in units of the problem, f(0) and ‖C‖₂, instead of
//! η·(π/2)·f, so that it depends on neither the scale of M nor the law of the A_i; for Gaussian ones without noise, where
//! ‖C‖₂·f(0)·π/2 is near the largest singular value, the two agree for a matrix of norm 1.

use super::descent::positive_part;
use super::{Descent, Loss, Sensing};
use crate::check::{positive, within};
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::Mat;
use rankine_linalg::Eigen;
use serde::{Deserialize, Serialize};

/// Power iterations a step.
const POWERS: usize = 10;

/// Halvings of the first length at most.
const HALVINGS: usize = 60;

/// Share of f that is put down to rounding.
const ROUNDING: f64 = 1e-12;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subgradient {
    /// Size of the start; what the start adds to the error is about as large.
    pub alpha: f64,
    /// How long the steps are.
    pub pace: Pace,
}

/// Lengths of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pace {
    /// η·ρ^t/‖Q‖₂: under noise of any kind.
    Geometric {
        /// The first length.
        eta: f64,
        /// What is left of it a step later. The iterate grows out of its start only while Σ η·ρ^t is above the condition of M
        /// times log(1/α): 0.985 will do for a condition of 1, 0.995 up to 3, 0.998 up to 10, with ever more steps.
        rho: f64,
    },
    /// In proportion to f: without noise, at a linear rate.
    Polyak {
        /// The first length.
        eta: f64,
    },
}

impl Default for Subgradient {
    fn default() -> Self {
        Self { alpha: 1e-6, pace: Pace::Geometric { eta: 0.25, rho: 0.995 } }
    }
}

/// What it keeps.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate.
    pub descent: Descent,
    /// f at the iterate.
    loss: f64,
    /// f(0).
    first: f64,
    /// ‖C‖₂.
    strength: f64,
    /// What is left of η at the start.
    share: f64,
    /// The leading eigenvector of Q as far as known; [d, 1].
    direction: Mat<f64>,
}

impl Iterate<Sensing> for Subgradient {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 4000, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Sensing, from: Option<&Factors>, pulse: &Pulse<'_>) -> Result<State> {
        let side = problem.side()?;
        self.check()?;
        let nothing = Mat::<f64>::zeros(side, 0);
        let empty = problem.pass(nothing.as_ref(), nothing.as_ref(), Loss::Absolute);
        let first = problem.measure(&empty.values).objective;
        let (Eigen { values, vectors }, part) = positive_part(-empty.adjoint.dense(), problem.rank())?;
        let strength = values[0].abs().max(values[side - 1].abs());
        let direction = vectors.get(.., side - 1..).to_owned();
        let x = match from {
            Some(from) => problem.check(from).map(|()| from.left.clone())?,
            None => self.alpha * part,
        };
        let descent = Descent::new(problem, Factors { left: x.clone(), right: x }, Loss::Absolute)?;
        let loss = problem.measure(&descent.pass.values).objective;
        let mut state = State { descent, loss, first, strength, share: 1.0, direction };
        if let (Some(_), Pace::Geometric { eta, .. }) = (from, self.pace) {
            state.shorten(problem, eta, pulse);
        }
        Ok(state)
    }

    fn step(&self, problem: &Sensing, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        let length = self.length(state);
        let descent = &mut state.descent;
        let x = &descent.factors.left;
        let next = x - length * descent.pass.adjoint.symmetric_times(x.as_ref());
        let step = descent.go_symmetric(problem, next);
        state.loss = step.objective;
        Ok(step)
    }

    fn finish(&self, _: &Sensing, state: State) -> Result<Factors> {
        Ok(state.descent.finish())
    }
}

impl Subgradient {
    fn check(&self) -> Result<()> {
        positive("alpha", self.alpha)?;
        match self.pace {
            Pace::Geometric { eta, rho } => {
                positive("eta", eta)?;
                within("rho", rho, 0.0 < rho && rho <= 1.0, "above 0 and at most 1, in general 0.98 to 0.999")
            }
            Pace::Polyak { eta } => positive("eta", eta),
        }
    }

    /// η_t, 0 where Q is.
    fn length(&self, state: &mut State) -> f64 {
        let (length, norm) = match self.pace {
            Pace::Geometric { eta, rho } => {
                (eta * state.share * rho.powf(state.descent.steps as f64), state.steepness())
            }
            Pace::Polyak { eta } => (eta * state.loss / state.first, state.strength),
        };
        if norm > 0.0 { length / norm } else { 0.0 }
    }
}

impl State {
    /// Halves η until the first step does not lead up.
    fn shorten(&mut self, problem: &Sensing, eta: f64, pulse: &Pulse<'_>) {
        let norm = self.steepness();
        let x = &self.descent.factors.left;
        let slope = self.descent.pass.adjoint.symmetric_times(x.as_ref());
        for _ in 0..HALVINGS {
            let length = eta * self.share / norm;
            let next = Mat::from_fn(x.nrows(), x.ncols(), |i, c| x[(i, c)] - length * slope[(i, c)]);
            let values = problem.pass(next.as_ref(), next.as_ref(), Loss::Absolute).values;
            let rises = self.loss * (1.0 + ROUNDING) < problem.measure(&values).objective;
            if !rises || !pulse.beats() {
                break;
            }
            self.share /= 2.0;
        }
    }

    /// ‖Q‖₂ by power iteration from the last direction.
    fn steepness(&mut self) -> f64 {
        let mut norm = 0.0;
        for _ in 0..POWERS {
            let image = self.descent.pass.adjoint.symmetric_times(self.direction.as_ref());
            norm = image.norm_l2();
            if norm <= 0.0 {
                return 0.0;
            }
            self.direction = image * faer::Scale(1.0 / norm);
        }
        norm
    }
}
