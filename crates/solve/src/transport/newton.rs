//! Newton's method on the entropic dual with the whole plan, after a few sweeps: what the sparse one is measured against.
//!
//!     (diag(q)·(1 + λ) − Pᵀ·diag(p·(1 + λ))⁻¹·P) · d_g = g_g − Pᵀ·diag(p·(1 + λ))⁻¹·g_f        p = P·1, q = Pᵀ·1
//!
//! Rows are eliminated, or columns where those are more, and the rest decomposed by Cholesky: O(n·m·k + k³) a step, k = min(n, m).
//! The plan is made in panels of what is eliminated, and never whole. Memory: the cost, k² ≤ n·m, O(n + m), and at the end the
//! plan in the place of k². Steps are damped and cut as those of the sparse method (`ascent`).

use super::annealing::Annealing;
use super::ascent::{Ascent, System};
use super::entropic::Potentials;
use super::{Plan, Transport};
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::linalg::matmul::triangular::BlockStructure;
use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatRef, Par};
use rankine_linalg::double::solve_positive;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows or columns that are eliminated at once.
const PANEL: usize = 256;

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
    /// Of the system of a step; [k, k], or empty before the first.
    matrix: Mat<f64>,
}

impl Iterate<Transport> for Newton {
    type State = State;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 500, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<State> {
        let (annealing, at) = Annealing::begin(problem, from, self.warmup, self.annealing)?;
        Ok(State { ascent: Ascent::new(at), annealing, matrix: Mat::new() })
    }

    fn step(&self, problem: &Transport, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.annealing.goes_on() {
            return Ok(state.annealing.sweep(problem, &mut state.ascent.at).0);
        }
        let State { ascent, matrix, .. } = state;
        Ok(ascent.step(problem, |system, direction| direct(problem, &system, matrix, direction).is_some()))
    }

    fn finish(&self, problem: &Transport, state: State) -> Result<Plan> {
        let State { ascent, matrix, .. } = state;
        // The plan takes its place.
        drop(matrix);
        Ok(ascent.at.plan(problem))
    }
}

/// Solves the system; `None` where it is not positive definite.
fn direct(
    problem: &Transport,
    system: &System<'_>,
    matrix: &mut Mat<f64>,
    direction: &mut [f64],
) -> Option<()> {
    let System { at, gradient, shift, .. } = *system;
    let rows = at.source.len();
    let by_rows = at.target.len() <= rows;
    let (sums, rest) = ordered(by_rows, (&at.rows, &at.columns));
    let damped = |sum: f64| sum * (1.0 + shift);
    let root = |&sum: &f64| if 0.0 < sum { damped(sum).sqrt().recip() } else { 0.0 };
    let panels = Panels { problem, at, by_rows, roots: sums.iter().map(root).collect() };
    // What has no mass keeps a 1 on the diagonal, and with it a direction of 0.
    let diagonal = |j: usize| if 0.0 < rest[j] { damped(rest[j]) } else { 1.0 };
    matrix.resize_with(rest.len(), rest.len(), |_, _| 0.0);
    for j in 0..rest.len() {
        let column = matrix.col_as_slice_mut(j);
        column[j..].fill(0.0);
        column[j] = diagonal(j);
    }
    let (given, right) = ordered(by_rows, gradient.split_at(rows));
    let mut gone = Mat::from_fn(given.len(), 1, |i, _| given[i] * panels.roots[i]);
    let mut right = Mat::from_fn(right.len(), 1, |j, _| right[j]);
    panels.each(|range, panel| {
        let (half, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        let (target, turned) = (matrix.as_mut(), panel.transpose());
        triangular::matmul(target, half, Accum::Add, panel, whole, turned, whole, -1.0, Par::Seq);
        let part = gone.as_ref().subrows(range.start, range.len());
        matmul(right.as_mut(), Accum::Add, panel, part, -1.0, Par::Seq);
    });
    let right = solve_positive(matrix.as_mut(), right)?;
    panels.each(|range, panel| {
        let part = gone.as_mut().subrows_mut(range.start, range.len());
        matmul(part, Accum::Add, panel.transpose(), right.as_ref(), -1.0, Par::Seq);
    });
    let (first, second) = ordered(by_rows, direction.split_at_mut(rows));
    first.iter_mut().enumerate().for_each(|(i, d)| *d = gone[(i, 0)] * panels.roots[i]);
    second.copy_from_slice(right.col_as_slice(0));
    Some(())
}

/// What belongs to the side that is eliminated, then the other.
fn ordered<T>(by_rows: bool, (rows, columns): (T, T)) -> (T, T) {
    if by_rows { (rows, columns) } else { (columns, rows) }
}

/// The plan, a few rows or columns at a time.
struct Panels<'a> {
    problem: &'a Transport,
    at: &'a Potentials,
    /// Whether rows are eliminated; else columns are.
    by_rows: bool,
    /// (s·(1 + λ))^-½, by which what is eliminated is multiplied, s being its sums.
    roots: Vec<f64>,
}

impl Panels<'_> {
    /// Gives every range of what is eliminated to `visit`, with its scaled part of the plan; [rest, range].
    fn each(&self, mut visit: impl FnMut(Range<usize>, MatRef<'_, f64>)) {
        let (count, rest) = ordered(self.by_rows, (self.at.source.len(), self.at.target.len()));
        let (height, width) = ordered(self.by_rows, (PANEL.min(count), rest));
        let mut panel: Mat<f64> = Mat::zeros(height, width);
        for start in (0..count).step_by(PANEL) {
            let range = start..count.min(start + PANEL);
            let (height, width) = ordered(self.by_rows, (range.len(), rest));
            let place = ordered(self.by_rows, (start, 0));
            self.at.fill_part(self.problem, place, panel.submatrix_mut(0, 0, height, width));
            self.scale(&self.roots[range.clone()], &mut panel);
            let part = panel.submatrix(0, 0, height, width);
            visit(range, if self.by_rows { part.transpose() } else { part });
        }
    }

    /// Multiplies what a panel has of the plan by the roots of its range.
    fn scale(&self, roots: &[f64], panel: &mut Mat<f64>) {
        if self.by_rows {
            for j in 0..panel.ncols() {
                panel.col_as_slice_mut(j).iter_mut().zip(roots).for_each(|(entry, root)| *entry *= root);
            }
            return;
        }
        for (j, root) in roots.iter().enumerate() {
            panel.col_as_slice_mut(j).iter_mut().for_each(|entry| *entry *= root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_solves_the_system_whichever_side_is_longer() {
        for (rows, columns) in [(2 * PANEL + 3, 4), (4, 2 * PANEL + 3), (9, 9)] {
            let cost = Mat::from_fn(rows, columns, |i, j| ((i * 7 + j * 5) % 11) as f64 / 10.0);
            let (mut source, target) = (vec![1.0; rows], vec![(rows - 1) as f64 / columns as f64; columns]);
            source[1] = 0.0;
            let problem = Transport::new(cost, source, target, 0.3).unwrap();
            let mut at = Potentials::new(&problem, None).unwrap();
            at.scale_columns(&problem);
            at.scale_rows(&problem);
            at.measure(&problem);
            let gradient: Vec<f64> = (0..rows + columns)
                .map(|place| if place == 1 { 0.0 } else { (place * 3 % 7) as f64 - 3.0 })
                .collect();
            let mut d = vec![f64::NAN; rows + columns];
            let system = System { at: &at, gradient: &gradient, shift: 0.5, error: 1.0 };
            direct(&problem, &system, &mut Mat::new(), &mut d).unwrap();
            let mut plan = Mat::zeros(rows, columns);
            at.fill(&problem, &mut plan);
            for i in 0..rows {
                let others: f64 = (0..columns).map(|j| plan[(i, j)] * d[rows + j]).sum();
                assert!((1.5 * at.rows[i] * d[i] + others - gradient[i]).abs() < 1e-10, "row {i}");
            }
            for j in 0..columns {
                let others: f64 = (0..rows).map(|i| plan[(i, j)] * d[i]).sum();
                let found = 1.5 * at.columns[j] * d[rows + j] + others;
                assert!((found - gradient[rows + j]).abs() < 1e-10, "column {j}");
            }
        }
    }
}
