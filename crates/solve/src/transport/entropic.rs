//! What the solvers of the entropic problem share: potentials, the sums of the plan they stand for, and sweeps in the log domain.
//!
//!     P_ij = exp((f_i + g_j − C_ij) / ε)        f: [n]  g: [m]
//!     maximise  Σ a·f + Σ b·g − ε·Σ P           gradient: a − P·1, b − Pᵀ·1
//!
//! A pass over the cost gives all row and column sums, one exponential an entry, and keeps no plan. A sweep is one pass: the
//! exponentials of a column give its sum, by which they are scaled on their way to the row sums. Sums that under- or overflow
//! have their potential set to min(C − other potential) first, so that the largest exponent is 0. Columns are cut into blocks
//! by the sizes alone; every block has its own row sums, which meet in the order of the blocks.
//!
//! A row or column without mass has the potential −∞.
//!
//! Potentials are rounded as costs are, by 2e-16 of them, and a plan by that over ε. Where it is much, a sweep is followed by a pass
//! that measures what the rounded potentials stand for; where it is all, the problem is refused.

use super::{Coupling, Plan, Transport};
use crate::{Error, Result};
use faer::{Mat, MatMut};
use rankine_kernels::{columns, gibbs, memory};
use rayon::prelude::*;

/// Entries of a block, at least: a few times what handing over to another thread costs.
const BLOCK: usize = 16 * 1024;
/// Blocks at most; each holds 2·n numbers.
const BLOCKS: usize = 64;
/// Entries of a plan for whose room it is worth asking the system.
const LARGE: usize = 1 << 20;
/// Sums outside may have lost what counts.
const SAFE: std::ops::RangeInclusive<f64> = 1e-280..=1e280;

/// What rounding may do to a plan, relative to it, without being measured: well below the tolerances.
const COARSE: f64 = 1e-10;

/// Dual potentials, and the sums of their plan.
#[derive(Clone, Debug)]
pub struct Potentials {
    /// ε.
    pub regularization: f64,
    /// f; [n].
    pub source: Vec<f64>,
    /// g; [m].
    pub target: Vec<f64>,
    /// P·1, as last measured; [n].
    pub rows: Vec<f64>,
    /// Pᵀ·1, as last measured; [m].
    pub columns: Vec<f64>,
    blocks: Vec<Block>,
}

/// What a block of columns writes to.
#[derive(Clone, Debug)]
struct Block {
    /// The column at hand; [n].
    column: Vec<f64>,
    /// Row sums of the block; [n].
    rows: Vec<f64>,
}

impl Potentials {
    /// Those of a plan, or zeros; the sums are not measured yet. What may be added to one side and taken from the other is chosen
    /// so that the largest of the source is 0, as far ones have no digits left for the costs.
    ///
    /// # Errors
    /// When the problem has no regularisation or one below the rounding of its costs, or the plan is of another size.
    pub fn new(problem: &Transport, from: Option<&Plan>) -> Result<Self> {
        let (regularization, cost) = (problem.smoothed()?, problem.needed_cost());
        if regularization < f64::EPSILON * cost {
            return Err(Error::Unresolved { regularization, cost });
        }
        let (n, m) = (problem.source().len(), problem.target().len());
        let (mut source, mut target) = (vec![0.0; n], vec![0.0; m]);
        if let Some(plan) = from {
            problem.check_potentials(plan)?;
            let there = plan.source_potential.iter().copied().filter(|potential| potential.is_finite());
            let largest = there.reduce(f64::max).unwrap_or(0.0);
            take(&plan.source_potential, -largest, &mut source);
            take(&plan.target_potential, largest, &mut target);
        }
        for (potentials, masses) in [(&mut source, problem.source()), (&mut target, problem.target())] {
            let without = potentials.iter_mut().zip(masses).filter(|(_, mass)| **mass <= 0.0);
            without.for_each(|(potential, _)| *potential = f64::NEG_INFINITY);
        }
        let count = (n * m / BLOCK).clamp(1, BLOCKS);
        let block = Block { column: vec![0.0; n], rows: vec![0.0; n] };
        let blocks = vec![block; m.div_ceil(m.div_ceil(count))];
        let (rows, columns) = (vec![0.0; n], vec![0.0; m]);
        Ok(Self { regularization, source, target, rows, columns, blocks })
    }

    /// Makes every row sum right, from the sums as measured at these potentials.
    pub fn scale_rows(&mut self, problem: &Transport) {
        if !safe(&self.rows, problem.source()) {
            self.lift_rows(problem);
        }
        let scale = self.regularization;
        for ((potential, &row), &mass) in self.source.iter_mut().zip(&self.rows).zip(problem.source()) {
            *potential = scaled(*potential, scale, mass, row);
        }
    }

    /// Makes every column sum right, and measures the sums there: one pass.
    pub fn scale_columns(&mut self, problem: &Transport) {
        let scale = self.regularization;
        self.pass(problem, |j, source, potential, block| {
            let (cost, mass) = (problem.column(j), problem.target()[j]);
            let mut sum = gibbs::column(cost, source, *potential, scale, &mut block.column);
            if 0.0 < mass && !SAFE.contains(&sum) {
                *potential = cost.iter().zip(source).fold(f64::INFINITY, |low, (c, f)| low.min(c - f));
                sum = gibbs::column(cost, source, *potential, scale, &mut block.column);
            }
            *potential = scaled(*potential, scale, mass, sum);
            let factor = if 0.0 < mass { mass / sum } else { 0.0 };
            columns::add_scaled(&mut block.rows, factor, &block.column);
            factor * sum
        });
        let potentials = self.source.iter().chain(&self.target).filter(|potential| potential.is_finite());
        let largest = potentials.fold(problem.needed_cost(), |largest, x| largest.max(x.abs()));
        if COARSE * self.regularization < f64::EPSILON * largest {
            self.measure(problem);
        }
    }

    /// Measures the sums: one pass.
    pub fn measure(&mut self, problem: &Transport) {
        let scale = self.regularization;
        self.pass(problem, |j, source, potential, block| {
            let sum = gibbs::column(problem.column(j), source, *potential, scale, &mut block.column);
            columns::add_scaled(&mut block.rows, 1.0, &block.column);
            sum
        });
    }

    /// Whether no sum that counts is so small or large that it may have lost entries.
    pub fn is_safe(&self, problem: &Transport) -> bool {
        safe(&self.rows, problem.source()) && safe(&self.columns, problem.target())
    }

    /// (‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁) / mass, as last measured.
    pub fn residual(&self, problem: &Transport) -> f64 {
        problem.violation_of_sums(&self.rows, &self.columns)
    }

    /// The dual objective, as last measured, and the sum of the magnitudes of what it is made of.
    pub fn dual(&self, problem: &Transport) -> (f64, f64) {
        let sides = [(&self.source, problem.source()), (&self.target, problem.target())];
        let products = sides.into_iter().flat_map(|(potential, masses)| {
            potential.iter().zip(masses).filter(|(_, mass)| 0.0 < **mass).map(|(f, a)| f * a)
        });
        let smoothing = self.regularization * self.columns.iter().sum::<f64>();
        products.fold((-smoothing, smoothing), |(dual, size), x| (dual + x, size + x.abs()))
    }

    /// The plan with its cost; what a solver had beside the cost should be dropped before, so that the plan takes its place.
    pub fn plan(self, problem: &Transport) -> Plan {
        if LARGE <= self.source.len() * self.target.len() {
            memory::give_back();
        }
        let mut plan = Mat::zeros(self.source.len(), self.target.len());
        self.fill(problem, &mut plan);
        let plan = Coupling::from(plan);
        let cost = problem.cost_of(&plan);
        Plan { plan, source_potential: self.source, target_potential: self.target, cost }
    }

    /// Writes the plan into a matrix of its size.
    pub fn fill(&self, problem: &Transport, plan: &mut Mat<f64>) {
        self.fill_part(problem, (0, 0), plan.as_mut());
    }

    /// Writes the part of the plan that begins at a row and a column into a matrix of its size.
    pub fn fill_part(&self, problem: &Transport, (row, column): (usize, usize), part: MatMut<'_, f64>) {
        let rows = row..row + part.nrows();
        part.par_col_iter_mut().with_min_len(BLOCK.div_ceil(rows.len())).enumerate().for_each(
            |(j, entries)| {
                if let Some(entries) = entries.try_as_col_major_mut() {
                    let (scale, target) = (self.regularization, self.target[column + j]);
                    let (cost, source) =
                        (&problem.column(column + j)[rows.clone()], &self.source[rows.clone()]);
                    gibbs::column(cost, source, target, scale, entries.as_slice_mut());
                }
            },
        );
    }

    /// Gives every column to `each`, which returns its sum and adds it to the row sums of the block.
    fn pass(
        &mut self,
        problem: &Transport,
        each: impl Fn(usize, &[f64], &mut f64, &mut Block) -> f64 + Sync,
    ) {
        let (source, width) = (&self.source, problem.target().len().div_ceil(self.blocks.len()));
        let parts = self.target.par_chunks_mut(width).zip(self.columns.par_chunks_mut(width));
        let parts = self.blocks.par_iter_mut().zip(parts).enumerate().with_max_len(1);
        parts.for_each(|(at, (block, (target, columns)))| {
            block.rows.fill(0.0);
            for (j, (potential, sum)) in (at * width..).zip(target.iter_mut().zip(columns)) {
                *sum = each(j, source, potential, block);
            }
        });
        self.rows.fill(0.0);
        self.blocks.iter().for_each(|block| columns::add_scaled(&mut self.rows, 1.0, &block.rows));
    }

    /// Sets the potential of every row whose sum is not safe to where its largest exponent is 0, and measures again.
    fn lift_rows(&mut self, problem: &Transport) {
        let mut lowest = vec![f64::INFINITY; self.source.len()];
        for (j, potential) in self.target.iter().enumerate() {
            let costs = lowest.iter_mut().zip(problem.column(j));
            costs.for_each(|(low, cost)| *low = low.min(cost - potential));
        }
        for ((potential, row), low) in self.source.iter_mut().zip(&self.rows).zip(lowest) {
            if !SAFE.contains(row) {
                *potential = low;
            }
        }
        self.measure(problem);
    }
}

/// The potential that makes a sum the mass.
fn scaled(potential: f64, scale: f64, mass: f64, sum: f64) -> f64 {
    if 0.0 < mass { potential + scale * (mass.ln() - sum.ln()) } else { f64::NEG_INFINITY }
}

/// Whether every sum that should have mass is safe.
fn safe(sums: &[f64], masses: &[f64]) -> bool {
    sums.iter().zip(masses).all(|(sum, &mass)| mass <= 0.0 || SAFE.contains(sum))
}

/// Copies finite potentials with what is added to them; others stay 0.
fn take(from: &[f64], shift: f64, into: &mut [f64]) {
    let there = into.iter_mut().zip(from).filter(|(_, from)| from.is_finite());
    there.for_each(|(into, &from)| *into = from + shift);
}
