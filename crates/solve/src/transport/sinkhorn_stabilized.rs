//! Sinkhorn's alternate scaling of a matrix, with absorption and ε-scaling.
//!
//!     K_ij = exp((f_i + g_j − C_ij) / ε)    P = diag(u)·K·diag(v)        u ← a / (K·v)    v ← b / (Kᵀ·u)
//!
//! A sweep costs two multiplications an entry and no exponential. Where a scaling leaves [1/absorption, absorption] it is absorbed,
//! f ← f + ε·log u, g ← g + ε·log v, by one sweep in the log domain, and K is made anew. The first sweeps fall in their
//! regularisation and are made in the log domain too (`annealing`). Memory: the cost, K, and O(n + m).
//!
//! The same as POT's `sinkhorn_stabilized`, whose `tau` is `absorption`, and `sinkhorn_epsilon_scaling`. Departure: a sweep reads K
//! once, column by column, for both scalings. Entries that underflow in K are below 1e-308·absorption² in P.

use super::annealing::Annealing;
use super::entropic::Potentials;
use super::{Coupling, Plan, Transport};
use crate::check::within;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::Mat;
use rankine_kernels::columns;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Entries of a block of columns, at least.
const BLOCK: usize = 32 * 1024;
/// Blocks at most; each holds n numbers.
const BLOCKS: usize = 32;
/// max C − min C over ε, above which sweeps of the ε-scaling are worth their exponentials.
const WEAK: f64 = 500.0;

/// The solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkhornStabilized {
    /// The largest scaling that is not absorbed.
    pub absorption: f64,
    /// Sweeps of the ε-scaling, where max C − min C is above 500·ε: at a stronger regularisation they save fewer sweeps than they
    /// cost.
    pub warmup: usize,
    /// Regularisation of the first sweep over max C − min C; the sweeps lead down to the problem's. 0: all are there.
    pub annealing: f64,
}

impl Default for SinkhornStabilized {
    fn default() -> Self {
        Self { absorption: 1e30, warmup: 3, annealing: 0.2 }
    }
}

/// Between steps.
#[derive(Debug)]
pub struct State {
    /// f and g, and the sums of P.
    potentials: Potentials,
    annealing: Annealing,
    /// K; [n, m], or empty before the first sweep that needs it.
    kernel: Mat<f64>,
    /// u; [n].
    left: Vec<f64>,
    /// v; [m].
    right: Vec<f64>,
    /// v of the sweep at hand; [m].
    next: Vec<f64>,
    /// Shares of K·v by blocks of columns; [blocks, n].
    shares: Vec<Vec<f64>>,
}

impl Iterate<Transport> for SinkhornStabilized {
    type State = State;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 100_000, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<State> {
        let fits = 1.0 < self.absorption && self.absorption <= 1e100;
        within("absorption", self.absorption, fits, "above 1 and at most 1e100")?;
        let is_weak = WEAK * problem.smoothed()? < problem.usual_spread();
        let warmup = if is_weak { self.warmup } else { 0 };
        let (annealing, potentials) = Annealing::begin(problem, from, warmup, self.annealing)?;
        let (n, m) = (potentials.source.len(), potentials.target.len());
        let (left, right, next) = (vec![1.0; n], vec![1.0; m], vec![1.0; m]);
        let count = (n * m / BLOCK).clamp(1, BLOCKS);
        let shares = vec![vec![0.0; n]; m.div_ceil(m.div_ceil(count))];
        Ok(State { potentials, annealing, kernel: Mat::new(), left, right, next, shares })
    }

    fn step(&self, problem: &Transport, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.annealing.goes_on() {
            return Ok(state.annealing.sweep(problem, &mut state.potentials).0);
        }
        if state.kernel.ncols() == 0 {
            state.kernel = Mat::zeros(state.left.len(), state.right.len());
            state.potentials.fill(problem, &mut state.kernel);
        }
        state.sweep(problem, self.absorption);
        Ok(Step::new(state.dual(problem), state.potentials.residual(problem)))
    }

    fn finish(&self, problem: &Transport, mut state: State) -> Result<Plan> {
        if state.kernel.ncols() == 0 {
            return Ok(state.potentials.plan(problem));
        }
        // What was measured, which the rounding of potentials would change.
        let kernel = std::mem::replace(&mut state.kernel, Mat::new());
        let plan = Coupling::from(kernel).scaled(&state.left, &state.right);
        state.absorb();
        let Potentials { source, target, .. } = state.potentials;
        let cost = problem.cost_of(&plan);
        Ok(Plan { plan, source_potential: source, target_potential: target, cost })
    }
}

impl State {
    /// Rows, then columns; by the scalings where these stay in range, in the log domain where not.
    fn sweep(&mut self, problem: &Transport, limit: f64) {
        let range = limit.recip()..=limit;
        let within = |scalings: &[f64]| scalings.iter().all(|scaling| range.contains(scaling));
        let known = self.potentials.is_safe(problem);
        if known {
            let rows = self.potentials.rows.iter().zip(problem.source());
            self.left
                .iter_mut()
                .zip(rows)
                .filter(|(_, (_, mass))| 0.0 < **mass)
                .for_each(|(u, (row, mass))| *u *= mass / row);
        }
        if known && within(&self.left) {
            self.scale_columns(problem);
            if within(&self.next) {
                std::mem::swap(&mut self.right, &mut self.next);
                return self.sum(problem);
            }
        }
        self.absorb();
        if !known {
            self.potentials.measure(problem);
            self.potentials.scale_rows(problem);
        }
        self.potentials.scale_columns(problem);
        self.potentials.fill(problem, &mut self.kernel);
    }

    /// v ← b / (Kᵀ·u) into `next`, and the shares of K·v.
    fn scale_columns(&mut self, problem: &Transport) {
        let width = self.next.len().div_ceil(self.shares.len());
        let (kernel, left) = (&self.kernel, &self.left);
        let parts =
            self.shares.par_iter_mut().zip(self.next.par_chunks_mut(width)).enumerate().with_max_len(1);
        parts.for_each(|(k, (share, next))| {
            share.fill(0.0);
            for (j, scaling) in (k * width..).zip(next) {
                let (column, mass) = (kernel.col_as_slice(j), problem.target()[j]);
                *scaling = if 0.0 < mass { mass / columns::dot(column, left) } else { 1.0 };
                columns::add_scaled(share, *scaling, column);
            }
        });
    }

    /// Row sums of P from the shares; the columns are right.
    fn sum(&mut self, problem: &Transport) {
        let rows = &mut self.potentials.rows;
        rows.fill(0.0);
        self.shares.iter().for_each(|share| columns::add_scaled(rows, 1.0, share));
        rows.iter_mut().zip(&self.left).for_each(|(row, u)| *row *= u);
        self.potentials.columns.copy_from_slice(problem.target());
    }

    /// Moves the scalings into the potentials.
    fn absorb(&mut self) {
        let scale = self.potentials.regularization;
        let sides =
            [(&mut self.potentials.source, &mut self.left), (&mut self.potentials.target, &mut self.right)];
        for (potential, scalings) in sides {
            potential.iter_mut().zip(&*scalings).for_each(|(potential, s)| *potential += scale * s.ln());
            scalings.fill(1.0);
        }
    }

    /// The dual objective.
    fn dual(&self, problem: &Transport) -> f64 {
        let scale = self.potentials.regularization;
        let gained = |scalings: &[f64], masses: &[f64]| {
            scalings.iter().zip(masses).filter(|(_, a)| 0.0 < **a).map(|(s, a)| a * s.ln()).sum::<f64>()
        };
        let gained = gained(&self.left, problem.source()) + gained(&self.right, problem.target());
        self.potentials.dual(problem).0 + scale * gained
    }
}
