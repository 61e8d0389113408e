//! What the solvers of sensing keep between steps: factors, and one reading of the measurements at them.

use super::{Adjoint, Pass, Sensing};
use crate::recovery::{Factors, normal};
use crate::{Result, Step};
use faer::Mat;
use rankine_random::Rng;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// (1/m)·Σ |r_i|; the slope of |0| is 0.
    Absolute,
    /// ½·Σ r_i².
    Square,
}

/// An iterate with its residuals and gradient.
#[derive(Clone, Debug)]
pub struct Descent {
    /// The iterate; left and right are the same for solvers of positive semidefinite matrices.
    pub factors: Factors,
    /// Steps that were taken.
    pub steps: usize,
    /// Values and adjoint at the iterate.
    pub pass: Pass,
    loss: Loss,
}

impl Descent {
    /// At factors.
    pub(super) fn new(problem: &Sensing, factors: Factors, loss: Loss) -> Self {
        let pass = problem.pass(factors.left.as_ref(), factors.right.as_ref(), loss);
        Self { factors, steps: 0, pass, loss }
    }

    /// Goes to the next factors, unless something there is not finite.
    pub(super) fn go(&mut self, problem: &Sensing, next: Factors) -> Step {
        self.steps += 1;
        if !next.is_finite() {
            return Step::new(f64::INFINITY, f64::INFINITY);
        }
        let pass = problem.pass(next.left.as_ref(), next.right.as_ref(), self.loss);
        let step = problem.measure(&pass.values);
        if step.residual.is_finite() {
            (self.factors, self.pass) = (next, pass);
        }
        step
    }

    /// Goes to X·Xᵀ.
    pub(super) fn go_symmetric(&mut self, problem: &Sensing, x: Mat<f64>) -> Step {
        self.go(problem, Factors { left: x.clone(), right: x })
    }

    /// Has no direction to go: at 0, where every gradient is 0, or beyond the numbers.
    pub(super) fn stay(&self, problem: &Sensing) -> Step {
        if self.factors.left.norm_max() > 0.0 && self.factors.right.norm_max() > 0.0 {
            return Step::new(f64::INFINITY, f64::INFINITY);
        }
        Step { stalled: true, ..problem.measure(&self.pass.values) }
    }

    /// ‖A(L·Rᵀ) − y‖₂ / ‖y‖₂; 0 where y is 0 too.
    pub(super) fn misfit(&self, problem: &Sensing) -> f64 {
        let (apart, whole) = (self.squares(problem), problem.measured().iter().map(|y| y * y).sum::<f64>());
        if 0.0 < whole { (apart / whole).sqrt() } else { apart.sqrt() }
    }

    /// ‖A(L·Rᵀ) − y‖₂².
    pub(super) fn squares(&self, problem: &Sensing) -> f64 {
        self.pass.values.iter().zip(problem.measured()).map(|(value, y)| (value - y).powi(2)).sum()
    }
}

/// −A*(y): the adjoint at 0.
fn backward(problem: &Sensing) -> Adjoint {
    let (rows, columns) = problem.operator().shape();
    let (left, right) = (Mat::<f64>::zeros(rows, 0), Mat::<f64>::zeros(columns, 0));
    problem.pass(left.as_ref(), right.as_ref(), Loss::Square).adjoint
}

/// σ = ‖A*(y)‖₂/g: about the largest singular value of M; 1 where y is 0.
pub(super) fn scale(problem: &Sensing) -> Result<f64> {
    let largest = backward(problem).leading(1)?.s[0];
    Ok(if largest > 0.0 { largest / problem.operator().gain() } else { 1.0 })
}

/// The leading triples of A*(y)/g: left·rightᵀ is about M.
pub(super) fn spectral(problem: &Sensing) -> Result<Factors> {
    let triples = backward(problem).leading(problem.rank())?;
    let part = |vectors: &Mat<f64>, sign: f64| {
        let scale = |c: usize| sign * (triples.s[c] / problem.operator().gain()).sqrt();
        Mat::from_fn(vectors.nrows(), problem.rank(), |i, c| scale(c) * vectors[(i, c)])
    };
    Ok(Factors { left: part(&triples.u, -1.0), right: part(&triples.v, 1.0) })
}

/// A start [side, k] of normal entries with the deviation size/√side.
pub(super) fn random(side: usize, rank: usize, size: f64, rng: Rng) -> Mat<f64> {
    normal(side, rank, size / (side as f64).sqrt(), rng)
}
