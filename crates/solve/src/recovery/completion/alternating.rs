//! Alternating minimisation with approximate updates: time in proportion to the known entries times k.
//!
//!     R ← argmin given L:  [L; √(n·λ)·1] = [Q; B]·T (QR);  r̃_j ≈ argmin Σ_{i∈Ω_j} (M_ij − ⟨q_i, r̃⟩)² + (|Ω_j|/n)·‖B·r̃‖²
//!     without a ridge:  L ← Q, R ← R̃        with one:  R ← R̃·T⁻ᵀ = R̃·Bᵀ/√(n·λ)
//!     then L given R alike; a round is both
//!
//! In the orthonormal basis every line's system is near a multiple of the identity, so a few steps of conjugate gradients from
//! the last solution, R·Tᵀ, do what exact solves do: three give the same errors round by round, one is visibly slower. A round costs
//! 2·(2·steps + 3)·|Ω|·k multiply-adds and two QR of O(n·k²).
//!
//! Paper: [robust_completion] §§4–5. Departures: conjugate gradients in place of the sketched solver, whose cost per line pays only
//! where |Ω_j| is far above k²; all entries are used in every round, while the theory splits them; `clip` is by whole rows; the
//! ridge, which the paper has not, is that of weighted-λ least squares.

use super::iterate::Iterand;
use super::regression::{Effort, Side};
use super::{Completion, Regression};
use crate::check::within;
use crate::recovery::Factors;
use crate::recovery::pattern::Lines;
use crate::recovery::vectors::{Vectors, dot};
use crate::{Iterate, Result, Step, Stop};
use faer::Mat;
use rankine_linalg::double::{multiply, thin_qr};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alternating {
    /// How exactly every line is solved.
    pub regression: Regression,
    /// μ: rows of the spectral start that are longer than 2·μ·√(k/rows) are set to 0. None: no row is. A μ below that of
    /// the matrix loses good rows.
    pub clip: Option<f64>,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for Alternating {
    fn default() -> Self {
        Self { regression: Regression::Steps { count: 3, first: 10 }, clip: None, seed: 0 }
    }
}

/// What it keeps.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate.
    pub iterand: Iterand,
    /// Rounds that were made.
    pub rounds: usize,
    /// Multiply-adds of all regressions.
    pub work: usize,
    /// Σ (M − L·Rᵀ)² over the known entries after each half of the last round.
    pub halves: [f64; 2],
}

impl Iterate<Completion> for Alternating {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 200, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Completion, from: Option<&Factors>) -> Result<State> {
        self.regression.check()?;
        let mut iterand = Iterand::start(problem, from, Rng::new(self.seed).fork("recovery/alternating"))?;
        if let (Some(mu), None) = (self.clip, from) {
            within("clip", mu, 1.0 <= mu, "a finite number of at least 1, the incoherence of the matrix")?;
            clip(&mut iterand.left, mu);
        }
        Ok(State { iterand, rounds: 0, work: 0, halves: [0.0; 2] })
    }

    fn step(&self, problem: &Completion, state: &mut State) -> Result<Step> {
        let entries = problem.entries();
        let (mut left, mut right) = (state.iterand.left.clone(), state.iterand.right.clone());
        let half = |lines: &Lines<f64>, fixed: &mut Vectors, moving: &mut Vectors| {
            self.half(lines, problem.ridge(), state.rounds, fixed, moving)
        };
        let first = half(&entries.by_column, &mut left, &mut right);
        let second = half(&entries.by_row, &mut right, &mut left);
        state.rounds += 1;
        state.work += first.work + second.work;
        if !(left.is_finite() && right.is_finite()) {
            return Ok(Step::new(f64::INFINITY, f64::INFINITY));
        }
        (state.iterand.left, state.iterand.right) = (left, right);
        state.halves = [first.squares, second.squares];
        Ok(state.iterand.judge(problem, second.squares))
    }

    fn finish(&self, _: &Completion, state: State) -> Result<Factors> {
        Ok(state.iterand.finish())
    }
}

impl Alternating {
    /// One side given the other.
    fn half(
        &self,
        lines: &Lines<f64>,
        ridge: f64,
        round: usize,
        fixed: &mut Vectors,
        moving: &mut Vectors,
    ) -> Effort {
        let Basis { top, bottom, triangle } = Basis::of(fixed, ridge);
        *moving = product(moving, triangle.transpose().to_owned());
        let side = Side { lines, basis: &top, bottom: &bottom };
        let effort = self.regression.solve(&side, moving, round);
        if 0.0 < ridge {
            let scale = 1.0 / (fixed.count() as f64 * ridge).sqrt();
            *moving = product(moving, scale * bottom.view().transpose());
        } else {
            *fixed = top;
        }
        effort
    }
}

/// [F; √(n·λ)·1] = [top; bottom]·triangle with orthonormal columns.
struct Basis {
    top: Vectors,
    bottom: Vectors,
    triangle: Mat<f64>,
}

impl Basis {
    fn of(factor: &Vectors, ridge: f64) -> Self {
        let (count, width) = (factor.count(), factor.width);
        let extra = if 0.0 < ridge { width } else { 0 };
        let diagonal = (count as f64 * ridge).sqrt();
        let stacked = Mat::from_fn(count + extra, width, |i, c| match i.checked_sub(count) {
            None => factor.row(i)[c],
            Some(below) if below == c => diagonal,
            Some(_) => 0.0,
        });
        let (q, triangle) = thin_qr(stacked.as_ref());
        let (top, bottom) = (Vectors::of(q.get(..count, ..)), Vectors::of(q.get(count.., ..)));
        Self { top, bottom, triangle }
    }
}

fn product(vectors: &Vectors, right: Mat<f64>) -> Vectors {
    Vectors::of(multiply(vectors.view(), right.as_ref()).as_ref())
}

/// Sets rows of the orthonormal basis that are longer than 2·μ·√(k/rows) to 0.
fn clip(factor: &mut Vectors, mu: f64) {
    let width = factor.width;
    let limit = 4.0 * mu * mu * width as f64 / factor.count() as f64;
    let basis = Basis::of(factor, 0.0).top;
    for (row, direction) in factor.data.chunks_mut(width).zip(basis.data.chunks(width)) {
        if dot(direction, direction) > limit {
            row.fill(0.0);
        }
    }
}
