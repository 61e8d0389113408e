//! Newton's steps on the entropic dual, whatever solves their linear system.
//!
//!     A·d = [a − P·1; b − Pᵀ·1],  A = [diag(P·1), P; Pᵀ, diag(Pᵀ·1)]        (f, g) ← (f, g) + α·ε·d
//!
//! A is the Hessian of −dual times ε. What solves the system adds λ·diag(A), λ = μ·residual, after Levenberg and
//! Marquardt: near a vertex of the polytope A is almost singular in many directions. μ grows fourfold after a step that was
//! cut or gained less than a quarter of what was foretold, and is halved after one that gained three quarters.
//!
//! d has no part along (1, −1), which changes nothing. α = 1 is cut, by the parabola through what is known, to between a tenth
//! and a half until the dual grows by 1e-4·α·ε·gradient·d; where that is within what rounding does to the dual, until the
//! residual falls. Where no α does, or sums have left the safe range, two sweeps are made instead. Every α costs one pass.

use super::Transport;
use super::entropic::Potentials;
use crate::Step;

/// Cuts of a step before it is given up.
const CUTS: usize = 12;
/// Share of the foretold gain that is enough (Armijo).
const ENOUGH: f64 = 1e-4;
/// Multiples of the rounding of the dual below which its differences decide nothing.
const ROUNDING: f64 = 1e4 * f64::EPSILON;
/// The least μ.
const DAMPING: f64 = 1e-3;
/// Steps without a better residual, none of them by the dual, after which it is stalled.
const PATIENCE: usize = 4;

/// The state of a Newton solver.
#[derive(Clone, Debug)]
pub struct Ascent {
    /// Where it stands.
    pub at: Potentials,
    /// Where it tries to go.
    trial: Potentials,
    /// a − P·1, b − Pᵀ·1; [n + m].
    gradient: Vec<f64>,
    /// d; [n + m].
    direction: Vec<f64>,
    /// μ.
    damping: f64,
    best: f64,
    /// Steps since the residual was best.
    idle: usize,
}

/// The system that a direction solves.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// Where.
    pub at: &'a Potentials,
    /// Right-hand side; [n + m].
    pub gradient: &'a [f64],
    /// λ.
    pub shift: f64,
    /// Residual.
    pub error: f64,
}

impl Ascent {
    /// Starts at potentials whose sums are measured.
    pub fn new(at: Potentials) -> Self {
        let (trial, size) = (at.clone(), at.source.len() + at.target.len());
        let (gradient, direction) = (vec![0.0; size], vec![0.0; size]);
        Self { at, trial, gradient, direction, damping: DAMPING, best: f64::INFINITY, idle: 0 }
    }

    /// One step along what `solve` writes into its second argument; it returns whether there is a direction.
    pub fn step(&mut self, problem: &Transport, solve: impl FnOnce(System<'_>, &mut [f64]) -> bool) -> Step {
        let error = self.at.residual(problem);
        self.grade(problem);
        let system = System { at: &self.at, gradient: &self.gradient, shift: self.damping * error, error };
        let known = self.at.is_safe(problem) && solve(system, &mut self.direction);
        let gain = if known { self.climb(problem) } else { None };
        match gain {
            Some((step, share)) if step < 1.0 || share < 0.25 => self.damping *= 4.0,
            Some((_, share)) if 0.75 < share => self.damping = DAMPING.max(self.damping / 2.0),
            Some(_) => {}
            None => self.sweep(problem),
        }
        let residual = self.at.residual(problem);
        self.idle = if residual < self.best || gain.is_some_and(|(_, share)| share.is_finite()) {
            0
        } else {
            self.idle + 1
        };
        self.best = self.best.min(residual);
        Step { stalled: PATIENCE <= self.idle, ..Step::new(self.at.dual(problem).0, residual) }
    }

    /// Writes the gradient.
    fn grade(&mut self, problem: &Transport) {
        let masses = problem.source().iter().chain(problem.target());
        let sums = self.at.rows.iter().chain(&self.at.columns);
        self.gradient.iter_mut().zip(masses.zip(sums)).for_each(|(g, (mass, sum))| *g = mass - sum);
    }

    /// Goes along the direction; the step and the share of the foretold gain, which is infinite where rounding hides it.
    fn climb(&mut self, problem: &Transport) -> Option<(f64, f64)> {
        self.centre();
        let scale = self.at.regularization;
        let slope: f64 = scale * self.gradient.iter().zip(&self.direction).map(|(g, d)| g * d).sum::<f64>();
        if !(0.0 < slope && slope.is_finite()) {
            return None;
        }
        let (residual, (dual, size)) = (self.at.residual(problem), self.at.dual(problem));
        let mut step = 1.0;
        for _ in 0..CUTS {
            self.try_step(problem, step * scale);
            let gain = self.trial.dual(problem).0 - dual;
            let hidden = step * slope <= ROUNDING * size;
            let grows = ENOUGH * step * slope <= gain;
            if if hidden { self.trial.residual(problem) < residual } else { grows } {
                std::mem::swap(&mut self.at, &mut self.trial);
                let share = gain / (slope * step * (1.0 - step / 2.0));
                return Some((step, if hidden { f64::INFINITY } else { share }));
            }
            let top = step * step * slope / (2.0 * (step * slope - gain));
            step = if top.is_finite() { top.clamp(0.1 * step, 0.5 * step) } else { 0.25 * step };
        }
        None
    }

    /// Takes out of the direction its part along (1, −1), among the rows and columns with mass.
    fn centre(&mut self) {
        let (rows, columns) = self.direction.split_at_mut(self.at.source.len());
        let finite = |potential: &[f64]| potential.iter().filter(|potential| potential.is_finite()).count();
        let count = finite(&self.at.source) + finite(&self.at.target);
        let shift = (rows.iter().sum::<f64>() - columns.iter().sum::<f64>()) / count as f64;
        rows.iter_mut().for_each(|d| *d -= shift);
        columns.iter_mut().for_each(|d| *d += shift);
    }

    /// Measures at the trial.
    fn try_step(&mut self, problem: &Transport, step: f64) {
        self.trial.regularization = self.at.regularization;
        let (rows, columns) = self.direction.split_at(self.at.source.len());
        let sides = [
            (&mut self.trial.source, &self.at.source, rows),
            (&mut self.trial.target, &self.at.target, columns),
        ];
        for (trial, at, direction) in sides {
            trial.iter_mut().zip(at).zip(direction).for_each(|((trial, at), d)| *trial = at + step * d);
        }
        self.trial.measure(problem);
    }

    /// What is done when there is no step.
    fn sweep(&mut self, problem: &Transport) {
        self.damping *= 4.0;
        for _ in 0..2 {
            self.at.scale_rows(problem);
            self.at.scale_columns(problem);
        }
    }
}
