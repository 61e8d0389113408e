//! Conjugate gradients, preconditioned by a V-cycle of algebraic multigrid with smoothed aggregation.
//!
//!     P = (1 − ω·D⁻¹·A)·T,   T_ij = [unknown i is in aggregate j],   ω = 4/(3·ρ),   A' = Pᵀ·A·P
//!
//! ρ: the largest row sum of D⁻¹·|A|, which bounds its spectrum. A cycle: `sweeps` of Gauss–Seidel forwards, the residual to
//! the coarser level, its correction back, `sweeps` backwards; so it is symmetric. The coarsest level is solved by a
//! dense factor. Aggregates are found from the entries alone, so there is one way for grids with obstacles and for other
//! matrices. Set-up and a cycle cost some ten products with A; the number of steps hardly grows with the grid.
//!
//! This is the solver that [dcdm] must be held against on a CPU.

use super::{Direction, LinearSystem, Precondition, aggregation, dense::Factor, sparse::Sparse};
use crate::{Error, Pulse, Result};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multigrid {
    /// Sweeps of Gauss–Seidel before, and as many after, the coarser level; from 1.
    pub sweeps: usize,
    /// Two unknowns are joined where |a_ij| > strength·√(a_ii·a_jj); 0 to 1, halved from level to level.
    pub strength: f64,
    /// Unknowns of the coarsest level at most, where the matrix lets it shrink so far; from 1.
    pub coarsest: usize,
}

impl Default for Multigrid {
    /// The usual choice for smoothed aggregation: the strength of Vaněk, Mandel and Brezina.
    fn default() -> Self {
        Self { sweeps: 1, strength: 0.08, coarsest: 200 }
    }
}

/// A level is coarse enough to be worth it when it has at most this share of the unknowns.
const SHRINKS: f64 = 0.8;
/// Unknowns at most of a level that is factored though it could not be made coarser.
const DENSE: usize = 2000;

impl Precondition for Multigrid {
    fn prepare(&self, problem: &LinearSystem, _: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        for (name, found) in [("sweeps", self.sweeps), ("coarsest", self.coarsest)] {
            if found == 0 {
                return Err(Error::Setting { name, found: 0.0, range: "at least 1" });
            }
        }
        if !(0.0..=1.0).contains(&self.strength) {
            let range = "between 0 and 1";
            return Err(Error::Setting { name: "strength", found: self.strength, range });
        }
        let matrix = problem.operator().matrix().ok_or(Error::Lacks { what: "the entries of the matrix" })?;
        Ok(Box::new(Hierarchy::new(matrix.into_owned().into_sparse(), self)))
    }
}

/// The levels, the finest first.
struct Hierarchy {
    sweeps: usize,
    levels: Vec<Level>,
    /// The coarsest, and its factor unless it is too large or rounding has taken its definiteness.
    last: Smoothed,
    factor: Option<Factor>,
}

/// A matrix with the way to the next coarser one.
struct Level {
    here: Smoothed,
    /// P; [n, n'].
    prolongation: Sparse,
    /// Pᵀ; [n', n].
    restriction: Sparse,
}

/// A matrix that is swept over.
struct Smoothed {
    /// [n, n].
    matrix: Sparse,
    /// [n].
    diagonal: Vec<f64>,
}

impl Hierarchy {
    fn new(mut matrix: Sparse, settings: &Multigrid) -> Self {
        let (mut levels, mut strength) = (Vec::new(), settings.strength);
        loop {
            let diagonal = matrix.diagonal();
            let here = Smoothed { matrix, diagonal };
            let unknowns = here.diagonal.iter().filter(|&&value| value > 0.0).count();
            let prolongation = (settings.coarsest < unknowns)
                .then(|| aggregation::prolongation(&here.matrix, &here.diagonal, strength))
                .filter(|prolongation| prolongation.width as f64 <= SHRINKS * unknowns as f64);
            let Some(prolongation) = prolongation else {
                let small = here.matrix.rows() <= settings.coarsest.max(DENSE);
                let factor = small.then(|| Factor::new(&here.matrix, &rankine_linalg::always).ok()).flatten();
                return Self { sweeps: settings.sweeps, levels, last: here, factor };
            };
            let restriction = prolongation.transpose();
            matrix = restriction.multiply(&here.matrix.multiply(&prolongation));
            levels.push(Level { here, prolongation, restriction });
            strength *= 0.5;
        }
    }

    /// x ≈ A⁻¹·rhs on a level and those below.
    fn cycle(&self, level: usize, rhs: &[f64], x: &mut [f64]) {
        let Some(Level { here, prolongation, restriction }) = self.levels.get(level) else {
            return self.solve_last(rhs, x);
        };
        x.fill(0.0);
        (0..self.sweeps).for_each(|_| here.sweep(0..rhs.len(), rhs, x));
        let mut residual = vec![0.0; rhs.len()];
        here.matrix.apply(x, &mut residual);
        residual.iter_mut().zip(rhs).for_each(|(residual, rhs)| *residual = rhs - *residual);
        let mut coarse = vec![0.0; prolongation.width];
        restriction.apply(&residual, &mut coarse);
        let mut correction = vec![0.0; coarse.len()];
        self.cycle(level + 1, &coarse, &mut correction);
        prolongation.apply(&correction, &mut residual);
        x.iter_mut().zip(&residual).for_each(|(x, correction)| *x += correction);
        (0..self.sweeps).for_each(|_| here.sweep((0..rhs.len()).rev(), rhs, x));
    }

    fn solve_last(&self, rhs: &[f64], x: &mut [f64]) {
        if let Some(factor) = &self.factor {
            x.copy_from_slice(rhs);
            return factor.solve(x);
        }
        x.fill(0.0);
        (0..self.sweeps).for_each(|_| self.last.sweep(0..rhs.len(), rhs, x));
        (0..self.sweeps).for_each(|_| self.last.sweep((0..rhs.len()).rev(), rhs, x));
    }
}

impl Smoothed {
    /// Gauss–Seidel, row after row; empty rows stay.
    fn sweep(&self, rows: impl Iterator<Item = usize>, rhs: &[f64], x: &mut [f64]) {
        for row in rows.filter(|&row| self.diagonal[row] > 0.0) {
            let product: f64 = self.matrix.row(row).map(|(column, value)| value * x[column]).sum();
            x[row] += (rhs[row] - product) / self.diagonal[row];
        }
    }
}

impl Direction for Hierarchy {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        self.cycle(0, residual, direction);
    }
}
