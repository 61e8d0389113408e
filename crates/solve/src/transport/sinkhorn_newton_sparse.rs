//! Sinkhorn-Newton-Sparse: a few sweeps, then Newton's steps on the dual with only the large entries of the plan.
//!
//!     (A_S + λ·diag(A)) · d = [a − P·1; b − Pᵀ·1],  A_S = [diag(P·1), S; Sᵀ, diag(Pᵀ·1)],  S = P where P_ij ≥ ρ
//!
//! At weak regularisation the plan is numerically sparse after few sweeps, and tens of steps take the place of thousands of
//! sweeps. A step costs one pass of exponentials for each length that is tried, one of comparisons, and conjugate gradients,
//! O(entries kept) each, until ‖rest‖ ≤ min(0.1, √residual) · ‖right-hand side‖. Their preconditioner is the diagonal, or
//! where few entries are kept a spanning forest of them (`forest`).
//! Memory: the cost, 12 bytes for every entry kept or the plan where that is less, O(n + m), and at the end the plan in their
//! place.
//!
//! Paper: [sinkhorn_newton_sparse] algorithm 2. Departures: the sweeps of the warm-up fall in their regularisation
//! (`annealing`); ρ follows the gradient, as a fixed count of entries converges linearly only; steps are damped and cut
//! (`ascent`), which the paper leaves out. With `warmup = 20`, `annealing = 0`
//! and `threshold = { entries = 3 }`, about 2/n of the Hessian, it is near the paper's.

use super::annealing::Annealing;
use super::ascent::{Ascent, System};
use super::forest::Forest;
use super::kept::Kept;
use super::{Plan, Transport};
use crate::check::{fits, within};
use crate::conjugate_gradient::ConjugateGradient;
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// Residual at which the warm-up ends before its time, at the problem's own regularisation.
const NEAR: f64 = 0.1;

/// Entries kept, over rows and columns together, up to which the forest is worth more than it costs.
const FEW: usize = 4;

/// The solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkhornNewtonSparse {
    /// Sweeps before Newton's steps, at most.
    pub warmup: usize,
    /// Regularisation of the first sweep over max C − min C; the sweeps lead down to the problem's. 0: all are there.
    pub annealing: f64,
    /// Which entries of the plan are kept.
    pub threshold: Threshold,
}

/// Which entries of the plan are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// Those of at least this share of ‖gradient‖₂ / max(n, m); 0 keeps all.
    Adaptive(f64),
    /// This many a row, the largest of all.
    Entries(usize),
}

impl Default for SinkhornNewtonSparse {
    fn default() -> Self {
        Self { warmup: 20, annealing: 0.2, threshold: Threshold::Adaptive(1e-2) }
    }
}

/// Between steps.
#[derive(Debug)]
pub struct State {
    ascent: Ascent,
    annealing: Annealing,
    warm: bool,
    kept: Kept,
    solver: ConjugateGradient,
    /// What is not kept of the diagonal, and the shift; [n + m].
    rest: Vec<f64>,
    /// One over the diagonal; 0 where that is 0; [n + m].
    inverse: Vec<f64>,
}

impl Iterate<Transport> for SinkhornNewtonSparse {
    type State = State;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 500, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<State> {
        self.threshold.check(problem)?;
        let (annealing, at) = Annealing::begin(problem, from, self.warmup, self.annealing)?;
        let kept = Kept::new(at.source.len(), at.target.len());
        let (warm, solver) = (!annealing.goes_on(), ConjugateGradient::default());
        let ascent = Ascent::new(at);
        Ok(State { ascent, annealing, warm, kept, solver, rest: Vec::new(), inverse: Vec::new() })
    }

    fn step(&self, problem: &Transport, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.warm {
            let State { ascent, kept, solver, rest, inverse, .. } = state;
            return Ok(ascent.step(problem, |system, direction| {
                self.threshold.apply(problem, &system, kept);
                diagonals(&system, kept, rest, inverse);
                solve(&system, (kept, rest, inverse), solver, direction);
                true
            }));
        }
        let (step, own) = state.annealing.sweep(problem, &mut state.ascent.at);
        state.warm = !state.annealing.goes_on() || own && step.residual < NEAR;
        Ok(step)
    }

    fn finish(&self, problem: &Transport, state: State) -> Result<Plan> {
        let State { ascent, kept, .. } = state;
        // The plan takes its place.
        drop(kept);
        Ok(ascent.at.plan(problem))
    }
}

impl Threshold {
    fn check(self, problem: &Transport) -> Result<()> {
        match self {
            Self::Adaptive(share) => within("threshold", share, 0.0 <= share, "a finite share of at least 0"),
            Self::Entries(count) => fits("threshold", count, 1, problem.target().len()),
        }
    }

    fn apply(self, problem: &Transport, system: &System<'_>, kept: &mut Kept) {
        let (rows, columns) = (system.at.source.len(), system.at.target.len());
        match self {
            Self::Adaptive(share) => {
                let size = system.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
                kept.gather(problem, system.at, share * size / rows.max(columns) as f64);
            }
            Self::Entries(count) => kept.gather_largest(problem, system.at, count * rows),
        }
    }
}

/// Writes what the products and the preconditioner need of the diagonal.
fn diagonals(system: &System<'_>, kept: &Kept, rest: &mut Vec<f64>, inverse: &mut Vec<f64>) {
    let sums = || system.at.rows.iter().chain(&system.at.columns).copied();
    rest.clear();
    rest.extend(sums());
    kept.subtract_sums(rest);
    rest.iter_mut().zip(sums()).for_each(|(rest, sum)| *rest = rest.max(0.0) + system.shift * sum);
    inverse.clear();
    inverse.extend(sums().map(|sum| if 0.0 < sum { 1.0 / (sum * (1.0 + system.shift)) } else { 0.0 }));
}

fn solve(
    system: &System<'_>,
    (kept, rest, inverse): (&mut Kept, &[f64], &[f64]),
    solver: &mut ConjugateGradient,
    direction: &mut [f64],
) {
    let limits = (system.error.sqrt().min(0.1), 3 * direction.len());
    let forest = (kept.len() <= FEW * direction.len()).then(|| Forest::new(kept.edges(), rest));
    let apply = |d: &[f64], out: &mut [f64]| kept.apply(rest, d, out);
    let condition = |r: &[f64], out: &mut [f64]| match &forest {
        Some(forest) => forest.apply(r, out),
        None => out.iter_mut().zip(r.iter().zip(inverse)).for_each(|(out, (r, inverse))| *out = r * inverse),
    };
    solver.solve(apply, condition, system.gradient, direction, limits);
}
