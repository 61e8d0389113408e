//! The problem and its checks.

use super::{Loss, Measure, Pass};
use crate::check::{finite, fits};
use crate::recovery::Factors;
use crate::{Error, Result, Step};
use faer::MatRef;
use std::sync::Arc;

/// A sensing problem; see the module.
#[derive(Clone, Debug)]
pub struct Sensing {
    operator: Arc<dyn Measure>,
    measured: Vec<f64>,
    rank: usize,
    typical: Typical,
}

/// What a residual is compared with.
#[derive(Clone, Copy, Debug)]
enum Typical {
    /// The median magnitude of the measurements.
    Median(f64),
    /// Their mean magnitude; 1 where all are 0.
    Mean(f64),
}

impl Sensing {
    /// Checks and keeps measurements of a matrix; `rank` is the number of columns of the factors that are sought.
    ///
    /// # Errors
    /// When the number of measurements is not that of the operator, one is not finite, or the rank is 0 or above the
    /// smaller side.
    pub fn new(operator: Arc<dyn Measure>, measured: Vec<f64>, rank: usize) -> Result<Self> {
        let (found, expected) = (measured.len(), operator.count());
        if found != expected {
            let (what, reason) = ("measurements", "the operator makes so many");
            return Err(Error::Size { what, unit: "entries", found, expected, reason });
        }
        finite("measurements", &measured)?;
        let (rows, columns) = operator.shape();
        fits("rank", rank, 1, rows.min(columns))?;
        let median = median(measured.iter().copied());
        let typical = match mean(measured.iter().copied()) {
            _ if median > 0.0 => Typical::Median(median),
            0.0 => Typical::Mean(1.0),
            mean => Typical::Mean(mean),
        };
        Ok(Self { operator, measured, rank, typical })
    }

    /// What measures.
    pub fn operator(&self) -> &Arc<dyn Measure> {
        &self.operator
    }

    /// y; [m].
    pub fn measured(&self) -> &[f64] {
        &self.measured
    }

    /// k.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many numbers determine a matrix of rank k: k·(rows + columns − k). Fewer measurements can determine one of lower rank
    /// or one that is positive semidefinite only.
    pub fn freedom(&self) -> usize {
        let (rows, columns) = self.operator.shape();
        self.rank * (rows + columns - self.rank)
    }

    /// The same of a symmetric matrix: k·side − k·(k − 1)/2.
    pub fn symmetric_freedom(&self) -> usize {
        self.rank * self.operator.shape().0 - self.rank * (self.rank - 1) / 2
    }

    /// Whether there are as many measurements as a matrix of rank 1 has degrees of freedom: with fewer none is determined but by
    /// what else is known of it, such as that it is positive semidefinite.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn enough(&self) -> Result<()> {
        let ((rows, columns), found) = (self.operator.shape(), self.measured.len());
        let least = rows + columns - 1;
        if least <= found { Ok(()) } else { Err(Error::Few { found, rows, columns, least }) }
    }

    /// The values at factors and the adjoint of the loss's slopes.
    pub fn pass(&self, left: MatRef<'_, f64>, right: MatRef<'_, f64>, loss: Loss) -> Pass {
        let (y, count) = (&self.measured, self.measured.len() as f64);
        match loss {
            Loss::Absolute => self.operator.pass(left, right, &|i, value| sign(value - y[i]) / count),
            Loss::Square => self.operator.pass(left, right, &|i, value| value - y[i]),
        }
    }

    /// Objective and residual where the measurements are `values`; [m].
    pub fn measure(&self, values: &[f64]) -> Step {
        let apart = || values.iter().zip(&self.measured).map(|(value, y)| value - y);
        let objective = mean(apart());
        if !objective.is_finite() {
            return Step::new(objective, f64::INFINITY);
        }
        let residual = match self.typical {
            Typical::Median(typical) => median(apart()) / typical,
            Typical::Mean(typical) => objective / typical,
        };
        Step::new(objective, residual)
    }

    /// The side of the square matrices that a solver of positive semidefinite ones takes.
    pub(super) fn side(&self) -> Result<usize> {
        let (rows, columns) = self.operator.shape();
        if rows == columns { Ok(rows) } else { Err(Error::NotSquare { rows, columns }) }
    }

    /// Whether a solution fits, to start from.
    pub(super) fn check(&self, from: &Factors) -> Result<()> {
        let (rows, columns) = self.operator.shape();
        from.check(rows, columns, self.rank)
    }
}

/// 0 at 0, unlike `signum`.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// The mean magnitude.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.map(f64::abs).sum::<f64>() / count
}

/// The upper median magnitude.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut magnitudes: Vec<f64> = values.map(f64::abs).collect();
    let middle = magnitudes.len() / 2;
    *magnitudes.select_nth_unstable_by(middle, f64::total_cmp).1
}
