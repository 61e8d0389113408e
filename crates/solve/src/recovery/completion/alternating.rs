//! Alternating minimisation with approximate updates: time in proportion to the known entries times k.
//!
//!     R ← argmin given L:  [L; √(n·λ)·1] = [Q; B]·T (QR);  r̃_j ≈ argmin Σ_{i∈Ω_j} (M_ij − ⟨q_i, r̃⟩)² + (|Ω_j|/n)·‖B·r̃‖²
//!     without a ridge:  L ← Q, R ← R̃        with one:  R ← R̃·T⁻ᵀ = R̃·Bᵀ/√(n·λ)
//!     then L given R alike; a round is both
//!
//! In the orthonormal basis every line's system is near a multiple of the identity, so a few steps of conjugate gradients from
//! the last solution, R·Tᵀ, do what exact solves do: three give the same errors round by round, one is visibly slower. A round costs
//! 2·(2·steps + 3)·|Ω|·k multiply-adds and two QR of O(n·k²); nothing costs rows·columns, the start and the residual included.
//!
//! Paper: [robust_completion] §§4–5, whose theory covers `regression = "sketched"`, whose cost per line pays only where |Ω_j| is far
//! above k², with `split`, which needs 2·rounds + 1 times the entries: [`Alternating::theory`]. The page's practice is the default.
//! Departures: the steps in the basis of a sketch are those of conjugate gradients, for which a sketch of few rows is enough; `clip`
//! is by whole rows; the ridge, which the paper has not, is that of weighted-λ least squares.

use super::iterate::Iterand;
use super::regression::{Effort, Side};
use super::{Completion, Entries, Regression};
use crate::check::{at_least_one, within};
use crate::recovery::Factors;
use crate::recovery::pattern::Lines;
use crate::recovery::vectors::Vectors;
use crate::vectors::dot;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::Mat;
use rankine_linalg::double::{multiply, thin_qr};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alternating {
    /// How exactly every line is solved.
    pub regression: Regression,
    /// μ: rows of the spectral start that are longer than 2·μ·√(k/rows) are set to 0. None: no row is. A μ below that of
    /// the matrix loses good rows.
    pub clip: Option<f64>,
    /// T: the entries are split at random into 2·T + 1 parts, one for the start and one for each half of T rounds, after which there
    /// are none left. None: all entries are used in every round.
    pub split: Option<usize>,
    /// Seed of the start, of the parts and of the sketches.
    pub seed: u64,
}

impl Default for Alternating {
    fn default() -> Self {
        Self { regression: Regression::Steps { count: 3, first: 10 }, clip: None, split: None, seed: 0 }
    }
}

impl Alternating {
    /// The algorithm of the theory, for so many rounds: ⌈log₂(‖M‖/ε)⌉ of them, 10 to 30, by the page.
    pub fn theory(rounds: usize) -> Self {
        Self { regression: Regression::SKETCHED, split: Some(rounds), ..Self::default() }
    }

    fn rng(&self) -> Rng {
        Rng::new(self.seed).fork("recovery/alternating")
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
    /// Σ (M − L·Rᵀ)² over the known entries, of those that it saw, after each half of the last round.
    pub halves: [f64; 2],
    /// Entries of the rounds to come, by column and by row; none are split where all are used.
    parts: Option<VecDeque<[Entries; 2]>>,
}

impl Iterate<Completion> for Alternating {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 200, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Completion, from: Option<&Factors>, pulse: &Pulse<'_>) -> Result<State> {
        self.regression.check()?;
        let (mut parts, mut first) = (None, None);
        if let Some(rounds) = self.split {
            at_least_one("split", rounds)?;
            let mut drawn = problem.entries().parts(2 * rounds + 1, self.rng().fork("parts"))?.into_iter();
            first = drawn.next();
            let pair = || Some([drawn.next()?, drawn.next()?]);
            parts = Some(std::iter::from_fn(pair).collect());
        }
        let mut iterand = match from {
            Some(from) => Iterand::from(problem, from)?,
            None => {
                let entries = first.as_ref().unwrap_or(problem.entries());
                Iterand::spectral(entries, problem.rank(), self.rng(), pulse)?
            }
        };
        if let (Some(mu), None) = (self.clip, from) {
            within("clip", mu, 1.0 <= mu, "a finite number of at least 1, the incoherence of the matrix")?;
            clip(&mut iterand.left, mu);
        }
        Ok(State { iterand, rounds: 0, work: 0, halves: [0.0; 2], parts })
    }

    fn step(&self, problem: &Completion, state: &mut State, pulse: &Pulse<'_>) -> Result<Step> {
        let part = state.parts.as_mut().map(VecDeque::pop_front);
        let [columns, rows] = match &part {
            None => [problem.entries(); 2],
            Some(Some(part)) => part.each_ref(),
            // No entries are left.
            Some(None) => return Ok(Step { stalled: true, ..state.iterand.measure(problem) }),
        };
        let (mut left, mut right) = (state.iterand.left.clone(), state.iterand.right.clone());
        let half = |lines: &Lines<f64>, side: &str, fixed: &mut Vectors, moving: &mut Vectors| {
            let at = Half { lines, ridge: problem.ridge(), round: state.rounds, side };
            self.half(&at, (fixed, moving), pulse)
        };
        let first = half(&columns.by_column, "columns", &mut left, &mut right)?;
        let second = half(&rows.by_row, "rows", &mut right, &mut left)?;
        state.rounds += 1;
        state.work += first.work + second.work;
        if !(left.is_finite() && right.is_finite()) {
            return Ok(Step::new(f64::INFINITY, f64::INFINITY));
        }
        (state.iterand.left, state.iterand.right) = (left, right);
        state.halves = [first.squares, second.squares];
        Ok(match part {
            None => state.iterand.judge(problem, second.squares),
            Some(_) => state.iterand.measure(problem),
        })
    }

    fn finish(&self, _: &Completion, state: State) -> Result<Factors> {
        Ok(state.iterand.finish())
    }
}

/// What half of a round sees.
struct Half<'a> {
    lines: &'a Lines<f64>,
    ridge: f64,
    round: usize,
    /// A word for the lines.
    side: &'a str,
}

impl Alternating {
    /// One side given the other.
    fn half(
        &self,
        &Half { lines, ridge, round, side }: &Half<'_>,
        (fixed, moving): (&mut Vectors, &mut Vectors),
        pulse: &Pulse<'_>,
    ) -> Result<Effort> {
        let Basis { top, bottom, triangle } = Basis::of(fixed, ridge);
        *moving = product(moving, triangle.transpose().to_owned());
        let rng = self.rng().fork_index("round", round).fork(side);
        let side = Side { lines, basis: &top, bottom: &bottom, rng };
        let effort = self.regression.solve(&side, moving, round, pulse)?;
        if 0.0 < ridge {
            let scale = 1.0 / (fixed.count() as f64 * ridge).sqrt();
            *moving = product(moving, scale * bottom.view().transpose());
        } else {
            *fixed = top;
        }
        Ok(effort)
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
