//! Conjugate gradients, preconditioned by an incomplete Cholesky factor without fill.
//!
//!     A ≈ Uᵀ·U,   U upper triangular with the pattern of A
//!
//! What elimination would put outside the pattern is dropped, or, times `modified`, taken from the two diagonal entries beside
//! it, so that row sums stay: 0 is IC(0), 1 is MIC(0), which needs some √N instead of N steps on a grid with N cells a side.
//! Where dropping has made a pivot vanish, the diagonal is raised by a thousandth, then by four times as much, and so on. A
//! pivot that vanishes before anything that reaches it was dropped is the exact one: A is not positive definite.

use super::{Direction, LinearSystem, Precondition, sparse::Sparse};
use crate::{Error, Pulse, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The solver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncompleteCholesky {
    /// Share of what is dropped that the diagonal keeps; 0 to 1. On grids 0.97 is a common choice.
    pub modified: f64,
}

/// The first raise of the diagonal, relative to it, and how it grows.
const RAISE: f64 = 1e-3;
const GROWTH: f64 = 4.0;
/// A pivot below this share of its diagonal entry has vanished.
const VANISHED: f64 = 1e-14;

impl Precondition for IncompleteCholesky {
    fn prepare(&self, problem: &LinearSystem, _: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        let Self { modified } = *self;
        if !(0.0..=1.0).contains(&modified) {
            return Err(Error::Setting { name: "modified", found: modified, range: "between 0 and 1" });
        }
        let matrix = problem.operator().matrix().ok_or(Error::Lacks { what: "the entries of the matrix" })?;
        let mut raise = 0.0;
        loop {
            match factor(matrix.sparse(), modified, raise) {
                Ok(factor) => return Ok(Box::new(factor)),
                Err(Vanished { exact: true, pivot, value }) => {
                    return Err(Error::NotPositive { what: "the matrix", pivot, value });
                }
                // Ends, because a diagonal that outweighs its row keeps its pivots.
                Err(Vanished { exact: false, .. }) => raise = (GROWTH * raise).max(RAISE),
            }
        }
    }
}

/// U without its diagonal, row after row, and 1 / diagonal, 0 where the row is empty.
struct Factor {
    upper: Sparse,
    inverse: Vec<f64>,
}

/// A pivot that is not above zero.
struct Vanished {
    /// Nothing had been dropped that reaches it.
    exact: bool,
    pivot: usize,
    value: f64,
}

/// Eliminates row by row in what will be U.
fn factor(matrix: &Sparse, modified: f64, raise: f64) -> std::result::Result<Factor, Vanished> {
    let size = matrix.rows();
    let mut upper = Sparse::new(size);
    for row in 0..size {
        matrix.row(row).filter(|entry| row < entry.0).for_each(|(column, value)| upper.push(column, value));
        upper.end_row();
    }
    let original = matrix.diagonal();
    let mut pivots: Vec<f64> = original.iter().map(|value| value * (1.0 + raise)).collect();
    let mut first_touched = size;
    for row in 0..size {
        if original[row] == 0.0 {
            continue;
        }
        let value = pivots[row];
        if value <= VANISHED * original[row] {
            return Err(Vanished { exact: raise == 0.0 && row < first_touched, pivot: row, value });
        }
        pivots[row] = value.sqrt();
        let range = upper.offsets[row]..upper.offsets[row + 1];
        upper.values[range.clone()].iter_mut().for_each(|entry| *entry /= pivots[row]);
        for place in range {
            first_touched = first_touched.min(eliminate(&mut upper, &mut pivots, row, place, modified));
        }
    }
    let inverse = pivots.iter().map(|&pivot| if pivot > 0.0 { pivot.recip() } else { 0.0 }).collect();
    Ok(Factor { upper, inverse })
}

/// Subtracts from the row whose column stands at `place` of a finished row what that row asks for; the first row that what
/// was dropped would reach.
fn eliminate(upper: &mut Sparse, pivots: &mut [f64], row: usize, place: usize, modified: f64) -> usize {
    let (target, left) = (upper.columns[place] as usize, upper.values[place]);
    pivots[target] -= left * left;
    let (mut there, end) = (upper.offsets[target], upper.offsets[target + 1]);
    let mut touched = usize::MAX;
    for source in place + 1..upper.offsets[row + 1] {
        let (column, change) = (upper.columns[source], left * upper.values[source]);
        while there < end && upper.columns[there] < column {
            there += 1;
        }
        match if there < end { upper.columns[there].cmp(&column) } else { Ordering::Greater } {
            Ordering::Equal => upper.values[there] -= change,
            _ if change == 0.0 => {}
            _ => {
                let column = column as usize;
                touched = touched.min(if modified > 0.0 { target } else { column });
                pivots[target] -= modified * change;
                pivots[column] -= modified * change;
            }
        }
    }
    touched
}

impl Direction for Factor {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        direction.copy_from_slice(residual);
        for row in 0..direction.len() {
            direction[row] *= self.inverse[row];
            let value = direction[row];
            self.upper.row(row).for_each(|(column, entry)| direction[column] -= entry * value);
        }
        for row in (0..direction.len()).rev() {
            let sum: f64 = self.upper.row(row).map(|(column, entry)| entry * direction[column]).sum();
            direction[row] = (direction[row] - sum) * self.inverse[row];
        }
    }
}
