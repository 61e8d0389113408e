//! What the solvers of sensing keep between steps: factors, and one reading of the measurements at them.

use super::{Adjoint, Pass, Sensing};
use crate::check::finite_matrix;
use crate::recovery::{Factors, normal};
use crate::{Result, Step};
use faer::Mat;
use rankine_linalg::{Eigen, eigh};
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
    /// At the iterate.
    measured: Measured,
    /// The best iterate that was left for a worse one, and what was measured there.
    left: Option<(Measured, Factors)>,
}

/// What is measured at an iterate.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// What is minimised.
    loss: f64,
    /// Objective and residual, which are those of every solver.
    told: [f64; 2],
}

impl Descent {
    /// At factors.
    ///
    /// # Errors
    /// When an entry of theirs is not finite.
    pub(super) fn new(problem: &Sensing, factors: Factors, loss: Loss) -> Result<Self> {
        finite_matrix("the left factor to start from", factors.left.as_ref())?;
        finite_matrix("the right factor to start from", factors.right.as_ref())?;
        let factors = tied(problem, factors);
        let pass = problem.pass(factors.left.as_ref(), factors.right.as_ref(), loss);
        let measured = Measured::of(problem, &pass, loss);
        Ok(Self { factors, steps: 0, pass, loss, measured, left: None })
    }

    /// Goes to the next factors, unless something there is not finite.
    pub(super) fn go(&mut self, problem: &Sensing, next: Factors) -> Step {
        self.steps += 1;
        let next = tied(problem, next);
        if !next.is_finite() {
            return self.lost();
        }
        let pass = problem.pass(next.left.as_ref(), next.right.as_ref(), self.loss);
        let after = Measured::of(problem, &pass, self.loss);
        if !after.told[1].is_finite() {
            return self.lost();
        }
        self.pass = pass;
        let before = std::mem::replace(&mut self.factors, next);
        let measured = std::mem::replace(&mut self.measured, after);
        let least = self.left.as_ref().map_or(f64::INFINITY, |(least, _)| least.loss);
        if measured.loss < least.min(after.loss) {
            self.left = Some((measured, before));
        }
        self.told(Step::new(after.told[0], after.told[1]))
    }

    /// The best of the iterates.
    pub(super) fn finish(self) -> Factors {
        match self.left {
            Some((least, factors)) if least.loss < self.measured.loss => factors,
            _ => self.factors,
        }
    }

    /// A step with what was measured at the best of the iterates.
    fn told(&self, step: Step) -> Step {
        let left =
            self.left.as_ref().map(|(least, _)| *least).filter(|least| least.loss < self.measured.loss);
        Step { best: Some(left.unwrap_or(self.measured).told), ..step }
    }

    /// A step that was not made, because it would not have been finite.
    fn lost(&self) -> Step {
        self.told(Step::new(f64::INFINITY, f64::INFINITY))
    }

    /// Goes to X·Xᵀ.
    pub(super) fn go_symmetric(&mut self, problem: &Sensing, x: Mat<f64>) -> Step {
        self.go(problem, Factors { left: x.clone(), right: x })
    }

    /// Has no direction to go: at 0, where every gradient is 0, or beyond the numbers.
    pub(super) fn stay(&self, problem: &Sensing) -> Step {
        if self.factors.left.norm_max() > 0.0 && self.factors.right.norm_max() > 0.0 {
            return self.lost();
        }
        self.told(Step { stalled: true, ..problem.measure(&self.pass.values) })
    }

    /// ‖A(L·Rᵀ) − y‖₂ / ‖y‖₂; 0 where y is 0 too.
    pub(super) fn misfit(&self, problem: &Sensing) -> f64 {
        let (apart, whole) = (self.squares(problem), problem.measured().iter().map(|y| y * y).sum::<f64>());
        if 0.0 < whole { (apart / whole).sqrt() } else { apart.sqrt() }
    }

    /// ‖A(L·Rᵀ) − y‖₂².
    pub(super) fn squares(&self, problem: &Sensing) -> f64 {
        squares(problem, &self.pass)
    }
}

/// ‖A(L·Rᵀ) − y‖₂² of a reading.
fn squares(problem: &Sensing, pass: &Pass) -> f64 {
    pass.values.iter().zip(problem.measured()).map(|(value, y)| (value - y).powi(2)).sum()
}

impl Measured {
    fn of(problem: &Sensing, pass: &Pass, loss: Loss) -> Self {
        let Step { objective, residual, .. } = problem.measure(&pass.values);
        let loss = match loss {
            Loss::Absolute => objective,
            Loss::Square => squares(problem, pass),
        };
        Self { loss, told: [objective, residual] }
    }
}

/// Of a positive semidefinite matrix there is one factor.
fn tied(problem: &Sensing, Factors { left, right }: Factors) -> Factors {
    let right = if problem.operator().positive() { left.clone() } else { right };
    Factors { left, right }
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

/// The leading triples of A*(y)/g, or the leading pairs of a positive semidefinite matrix: left·rightᵀ is about M.
pub(super) fn spectral(problem: &Sensing) -> Result<Factors> {
    if problem.operator().positive() {
        let whole = -1.0 / problem.operator().gain() * backward(problem).dense();
        let (_, left) = positive_part(whole, problem.rank())?;
        return Ok(Factors { right: left.clone(), left });
    }
    let triples = backward(problem).leading(problem.rank())?;
    let part = |vectors: &Mat<f64>, sign: f64| {
        let scale = |c: usize| sign * (triples.s[c] / problem.operator().gain()).sqrt();
        Mat::from_fn(vectors.nrows(), problem.rank(), |i, c| scale(c) * vectors[(i, c)])
    };
    Ok(Factors { left: part(&triples.u, -1.0), right: part(&triples.v, 1.0) })
}

/// The eigenpairs of the symmetric part of a matrix, and V·diag(max(λ, 0))^½ of the k largest; [side, k].
pub(super) fn positive_part(matrix: Mat<f64>, rank: usize) -> Result<(Eigen<f64>, Mat<f64>)> {
    let eigen = eigh((0.5 * (&matrix + matrix.transpose())).as_ref())?;
    let last = eigen.values.len() - 1;
    let root = |c: usize| eigen.values[last - c].max(0.0).sqrt();
    let part = Mat::from_fn(last + 1, rank, |i, c| eigen.vectors[(i, last - c)] * root(c));
    Ok((eigen, part))
}

/// A start [side, k] of normal entries with the deviation size/√side.
pub(super) fn random(side: usize, rank: usize, size: f64, rng: Rng) -> Mat<f64> {
    normal(side, rank, size / (side as f64).sqrt(), rng)
}
