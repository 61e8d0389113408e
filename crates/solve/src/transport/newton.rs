//! Newton's method on the entropic dual with the whole plan, after a few sweeps: what the sparse one is measured against.
//!
//!     (diag(q)·(1 + λ) − Pᵀ·diag(p·(1 + λ))⁻¹·P) · d_g = g_g − Pᵀ·diag(p·(1 + λ))⁻¹·g_f        p = P·1, q = Pᵀ·1
//!
//! Rows are eliminated, and the rest decomposed by Cholesky: O(n·m² + m³) a step. Memory: the cost, n·m + m². Steps are
//! damped and cut as those of the sparse method (`ascent`).

use super::annealing::Annealing;
use super::ascent::{Ascent, System};
use super::{Plan, Transport};
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, Par};
use rankine_linalg::double::solve_positive;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Newton {
    /// Sweeps before Newton's steps.
    pub warmup: usize,
    /// Regularisation of the first sweep over max C − min C; the sweeps lead down to the problem's. 0: all are there.
    pub annealing: f64,
}

impl Default for Newton {
    fn default() -> Self {
        Self { warmup: 20, annealing: 0.2 }
    }
}

/// Between steps.
#[derive(Debug)]
pub struct State {
    ascent: Ascent,
    annealing: Annealing,
}

impl Iterate<Transport> for Newton {
    type State = State;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 500, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<State> {
        let (annealing, at) = Annealing::begin(problem, from, self.warmup, self.annealing)?;
        Ok(State { ascent: Ascent::new(at), annealing })
    }

    fn step(&self, problem: &Transport, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.annealing.goes_on() {
            return Ok(state.annealing.sweep(problem, &mut state.ascent.at).0);
        }
        Ok(state.ascent.step(problem, |system, direction| direct(problem, &system, direction).is_some()))
    }

    fn finish(&self, problem: &Transport, state: State) -> Result<Plan> {
        Ok(state.ascent.at.plan(problem))
    }
}

/// Solves the system; `None` where it is not positive definite.
fn direct(problem: &Transport, system: &System<'_>, direction: &mut [f64]) -> Option<()> {
    let System { at, gradient, shift, .. } = *system;
    let (rows, columns) = (at.source.len(), at.target.len());
    // (p·(1 + λ))^-½, by which the rows of the plan are multiplied.
    let roots: Vec<f64> = at
        .rows
        .iter()
        .map(|row| if 0.0 < *row { (row * (1.0 + shift)).sqrt().recip() } else { 0.0 })
        .collect();
    let mut scaled = Mat::zeros(rows, columns);
    at.fill(problem, &mut scaled);
    for j in 0..columns {
        scaled.col_as_slice_mut(j).iter_mut().zip(&roots).for_each(|(entry, root)| *entry *= root);
    }
    // Columns without mass keep a 1 on the diagonal, and with it a direction of 0.
    let diagonal = |j: usize| if 0.0 < at.columns[j] { at.columns[j] * (1.0 + shift) } else { 1.0 };
    let mut system = Mat::from_fn(columns, columns, |i, j| if i == j { diagonal(i) } else { 0.0 });
    let whole = BlockStructure::Rectangular;
    let (lower, factors) = (BlockStructure::TriangularLower, (scaled.transpose(), scaled.as_ref()));
    matmul(system.as_mut(), lower, Accum::Add, factors.0, whole, factors.1, whole, -1.0, Par::Seq);
    let (source, target) = gradient.split_at(rows);
    let source: Vec<f64> = source.iter().zip(&roots).map(|(g, root)| g * root).collect();
    let along =
        |j: usize| scaled.col_as_slice(j).iter().zip(&source).map(|(entry, g)| entry * g).sum::<f64>();
    let right = Mat::from_fn(columns, 1, |j, _| target[j] - along(j));
    let right = solve_positive(system, right)?;
    let (first, second) = direction.split_at_mut(rows);
    second.iter_mut().enumerate().for_each(|(j, d)| *d = right[(j, 0)]);
    first.copy_from_slice(&source);
    for (j, other) in second.iter().enumerate() {
        first.iter_mut().zip(scaled.col_as_slice(j)).for_each(|(d, entry)| *d -= entry * other);
    }
    first.iter_mut().zip(&roots).for_each(|(d, root)| *d *= root);
    Some(())
}
