//! Gradient descent on two factors of unequal scale, rebalanced once: linear also where k is above the rank of M.
//!
//!     minimise ½·‖A(F·Gᵀ) − y‖²        Z = A*(A(F·Gᵀ) − y)/(g·σ)
//!     (F, G) ← (F − η·Z·G, G − η·Zᵀ·F), both from the old ones
//!     F₀: normal, α·√(σ/n₁);  G₀: normal, (α/ratio)·√(σ/n₂)
//!     once, when ‖A(F·Gᵀ) − y‖ ≤ trigger·‖y‖:  F = U·S·Vᵀ;  F ← β·U,  G ← G·V·S/β
//!
//! FᵀF − GᵀG is nearly conserved, and the directions beyond the rank of M shrink at the rate that it sets: α² without the
//! rebalancing, β² after it, which leaves F·Gᵀ as it is. One reading of the measurements a step, one SVD of a thin matrix. Where
//! the question is for a positive semidefinite matrix F and G are one, always balanced: this is [`super::symmetric`] then.
//!
//! Paper: [matrix_sensing], models B and C. Departure: η, α and β are in units of the problem (g and σ: see the question; for β
//! the largest singular value of F·Gᵀ at that moment).

use super::Sensing;
use super::descent::{Descent, Loss, random, scale};
use crate::check::{positive, within};
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::Mat;
use rankine_linalg::double::{Triples, multiply, thin_svd};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gradient {
    /// Length of a step; after the rebalancing at most ½/(β² + ‖G‖²).
    pub eta: f64,
    /// Size of the larger factor at the start.
    pub alpha: f64,
    /// How much smaller the other one is.
    pub ratio: f64,
    /// The rebalancing; none: model B.
    pub rebalance: Option<Rebalance>,
    /// Seed of the start.
    pub seed: u64,
}

/// When and how factors are rebalanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rebalance {
    /// At which relative misfit.
    pub trigger: f64,
    /// Scale of the larger factor after it, in units of the root of the largest singular value.
    pub beta: f64,
}

impl Default for Rebalance {
    fn default() -> Self {
        Self { trigger: 0.2, beta: 1.0 }
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self { eta: 0.2, alpha: 0.2, ratio: 3.0, rebalance: Some(Rebalance::default()), seed: 0 }
    }
}

/// What it keeps.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate.
    pub descent: Descent,
    /// The step at which the factors were rebalanced.
    pub rebalanced: Option<usize>,
    /// η/(g·σ).
    length: f64,
}

impl Iterate<Sensing> for Gradient {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 2000, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Sensing, from: Option<&Factors>, _: &Pulse<'_>) -> Result<State> {
        self.check()?;
        let sigma = scale(problem)?;
        let ((rows, columns), rank) = (problem.operator().shape(), problem.rank());
        let (rng, size) = (Rng::new(self.seed).fork("recovery/gradient"), self.alpha * sigma.sqrt());
        let factors = match from {
            Some(from) => problem.check(from).map(|()| from.clone())?,
            None => Factors {
                left: random(rows, rank, size, rng.fork("left")),
                right: random(columns, rank, size / self.ratio, rng.fork("right")),
            },
        };
        let descent = Descent::new(problem, factors, Loss::Square)?;
        let length = self.eta / (problem.operator().gain() * sigma);
        Ok(State { descent, rebalanced: None, length })
    }

    fn step(&self, problem: &Sensing, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if let (Some(Rebalance { trigger, beta }), None) = (self.rebalance, state.rebalanced)
            && !problem.operator().positive()
            && state.descent.misfit(problem) <= trigger
        {
            state.rebalance(problem, beta)?;
        }
        let Descent { factors: Factors { left, right }, pass, .. } = &state.descent;
        let next = Factors {
            left: left - state.length * pass.adjoint.times(right.as_ref()),
            right: right - state.length * pass.adjoint.transposed_times(left.as_ref()),
        };
        Ok(state.descent.go(problem, next))
    }

    fn finish(&self, _: &Sensing, state: State) -> Result<Factors> {
        Ok(state.descent.finish())
    }
}

impl Gradient {
    fn check(&self) -> Result<()> {
        positive("eta", self.eta)?;
        positive("alpha", self.alpha)?;
        let range = "at least 1; factors of equal scale have a slow tail";
        within("ratio", self.ratio, 1.0 <= self.ratio, range)?;
        let Some(Rebalance { trigger, beta }) = self.rebalance else {
            return Ok(());
        };
        within(
            "trigger",
            trigger,
            0.0 < trigger && trigger < 1.0,
            "above 0 and below 1, in general 0.1 to 0.3",
        )?;
        positive("beta", beta)
    }
}

impl State {
    /// Exchanges the factors for rebalanced ones of the same product: values and gradient stay.
    fn rebalance(&mut self, problem: &Sensing, beta: f64) -> Result<()> {
        self.rebalanced = Some(self.descent.steps);
        let largest = self.descent.factors.singular_values()?[0];
        if largest <= 0.0 {
            return Ok(());
        }
        let squared = beta * beta * largest;
        let factors = &mut self.descent.factors;
        rebalance(factors, squared.sqrt())?;
        // ‖G‖ is the largest singular value over β.
        let limit = 0.5 / (squared + largest * largest / squared);
        self.length = self.length.min(limit / problem.operator().gain());
        Ok(())
    }
}

/// Exchanges factors for others of the same product, with leftᵀ·left = β²·1: F = U·S·Vᵀ, F ← β·U, G ← G·V·S/β. Useful for any
/// weight in two factors. Where the left factor is shorter than wide, leftᵀ·left is β² times a projection.
///
/// # Errors
/// When β is not positive, or an entry is not finite.
pub fn rebalance(factors: &mut Factors, beta: f64) -> Result<()> {
    positive("beta", beta)?;
    let Triples { u, s, v } = thin_svd(factors.left.as_ref())?;
    let moved = multiply(factors.right.as_ref(), v.as_ref());
    let width = factors.left.ncols();
    let padded = |vectors: &Mat<f64>, scale: &dyn Fn(usize) -> f64| {
        Mat::from_fn(
            vectors.nrows(),
            width,
            |i, c| if c < s.len() { vectors[(i, c)] * scale(c) } else { 0.0 },
        )
    };
    *factors = Factors { left: padded(&u, &|_| beta), right: padded(&moved, &|c| s[c] / beta) };
    Ok(())
}
