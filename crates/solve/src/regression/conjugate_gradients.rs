//! Least squares by conjugate gradients.
//!
//!     s = R⁻ᵀAᵀr, p ← R⁻¹s + (‖s‖²/‖s₋‖²)·p, x ← x + α·p, r ← r − α·A p,  α = ‖s‖²/‖A p‖²
//!
//! 4·n·d a step; by a factor (κ − 1)/(κ + 1) nearer each, κ the condition of A·R⁻¹. Here R = 1, so it is that of A; with the
//! triangle of a sketch it is about 2 or 3 whatever A ([`super::precondition`]). Source: Hestenes and Stiefel 1952, whose
//! residual r is carried from step to step. Rounding times the condition of A is as far as it gets; the iterate of the smallest
//! residual is kept, as the steps after that lead away again.

use super::problem::{LeastSquares, fit, starting};
use super::triangle::Triangle;
use super::{Fit, Regression};
use crate::conjugate_gradient::Directions;
use crate::vectors::{add, dot, norm};
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// Steps without a smaller residual after which none is expected; [where it need not fall at every step, in a good basis].
const PATIENCE: [usize; 2] = [50, 5];

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConjugateGradients {}

impl Iterate<Regression> for ConjugateGradients {
    type State = Descent;
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 10_000, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Regression, from: Option<&Fit>, _: &Pulse<'_>) -> Result<Descent> {
        Descent::new(problem, starting(problem, from)?, None)
    }

    fn step(&self, problem: &Regression, state: &mut Descent, _: &Pulse<'_>) -> Result<Step> {
        state.step(problem)
    }

    fn finish(&self, problem: &Regression, state: Descent) -> Result<Fit> {
        Ok(fit(problem, state.best, problem.design().nrows(), None)?.0)
    }
}

/// What is kept between steps.
#[derive(Clone, Debug)]
pub struct Descent {
    /// R; none is 1.
    basis: Option<Triangle>,
    /// x; [d].
    x: Vec<f64>,
    /// r; [n].
    left: Vec<f64>,
    /// p, and ‖s‖².
    along: Directions,
    /// ‖r‖ and the residual.
    measured: [f64; 2],
    /// The x of the smallest residual.
    pub(super) best: Vec<f64>,
    /// What was measured there.
    least: [f64; 2],
    /// Steps since.
    steps: usize,
}

impl Descent {
    pub(super) fn new(problem: &dyn LeastSquares, x: Vec<f64>, basis: Option<Triangle>) -> Result<Self> {
        let left = problem.left(&x)?;
        let mut state = Self {
            basis,
            left,
            along: Directions::new(x.len()),
            measured: [0.0; 2],
            best: x.clone(),
            least: [f64::INFINITY; 2],
            steps: 0,
            x,
        };
        state.turn(problem)?;
        Ok(state)
    }

    /// A lower bound of the condition of the basis.
    pub(super) fn condition(&self) -> Option<f64> {
        self.basis.as_ref().map(Triangle::condition)
    }

    pub(super) fn step(&mut self, problem: &dyn LeastSquares) -> Result<Step> {
        let image = problem.image(&self.along.direction)?;
        let length = self.along.length(dot(&image, &image));
        // A gradient of zero has no direction: x is the solution.
        if 0.0 < self.along.weight && length.is_finite() {
            add(&mut self.x, length, &self.along.direction);
            add(&mut self.left, -length, &image);
            self.turn(problem)?;
        }
        let patience = PATIENCE[usize::from(self.basis.is_some())];
        let stalled = self.along.weight == 0.0 || !length.is_finite() || patience <= self.steps;
        let [objective, residual] = self.measured;
        Ok(Step { objective, residual, stalled, best: Some(self.least) })
    }

    /// Measures, and finds the next direction.
    fn turn(&mut self, problem: &dyn LeastSquares) -> Result<()> {
        let mut gradient = problem.gradient(&self.left)?;
        self.measured = [norm(&self.left), problem.relative(&gradient)];
        self.steps += 1;
        if self.measured[1] < self.least[1] {
            (self.least, self.steps) = (self.measured, 0);
            self.best.clone_from(&self.x);
        }
        if let Some(basis) = &self.basis {
            basis.solve_transposed(&mut gradient);
        }
        let squared = dot(&gradient, &gradient);
        if let Some(basis) = &self.basis {
            basis.solve(&mut gradient);
        }
        self.along.turn(squared, &gradient);
        Ok(())
    }
}
