//! What the solvers of the entropic problem share: potentials, the plan they stand for, and sweeps in the log domain.

use super::{Plan, Transport};
use crate::{Error, Result};
use faer::Mat;
use rayon::prelude::*;

/// Dual potentials; P_ij = exp((f_i + g_j − C_ij) / ε).
#[derive(Clone, Debug)]
pub struct Potentials {
    /// ε.
    pub regularization: f64,
    /// f; [n].
    pub source: Vec<f64>,
    /// g; [m].
    pub target: Vec<f64>,
}

impl Potentials {
    /// Those of a plan, or zeros.
    ///
    /// # Errors
    /// When the problem has no regularisation, or the plan is of another size.
    pub fn new(problem: &Transport, from: Option<&Plan>) -> Result<Self> {
        let regularization = problem.smoothed()?;
        let (n, m) = (problem.source().len(), problem.target().len());
        let Some(plan) = from.filter(|plan| !plan.source_potential.is_empty()) else {
            return Ok(Self { regularization, source: vec![0.0; n], target: vec![0.0; m] });
        };
        let (source, target) = (plan.source_potential.clone(), plan.target_potential.clone());
        for (what, found, expected) in
            [("source potential", source.len(), n), ("target potential", target.len(), m)]
        {
            if found != expected {
                let reason = "the problem has so many";
                return Err(Error::Size { what, unit: "entries", found, expected, reason });
            }
        }
        Ok(Self { regularization, source, target })
    }

    /// Makes every row sum right.
    pub fn scale_rows(&mut self, problem: &Transport) {
        let (cost, scale) = (problem.cost(), self.regularization);
        let exponents = |i: usize| (0..cost.ncols()).map(move |j| (j, cost[(i, j)]));
        let target = &self.target;
        self.source.par_iter_mut().zip(problem.source()).enumerate().for_each(|(i, (potential, &mass))| {
            let total = log_sum_exp(exponents(i).map(|(j, c)| (target[j] - c) / scale));
            *potential = scale * (mass.ln() - total);
        });
    }

    /// Makes every column sum right.
    pub fn scale_columns(&mut self, problem: &Transport) {
        let (cost, scale, source) = (problem.cost(), self.regularization, &self.source);
        self.target.par_iter_mut().zip(problem.target()).enumerate().for_each(|(j, (potential, &mass))| {
            let total = log_sum_exp((0..cost.nrows()).map(|i| (source[i] - cost[(i, j)]) / scale));
            *potential = scale * (mass.ln() - total);
        });
    }

    /// The dual objective, and the residual of the plan.
    pub fn measure(&self, problem: &Transport) -> (f64, f64) {
        let plan = self.matrix(problem);
        let kept = |potential: &[f64], masses: &[f64]| {
            potential.iter().zip(masses).filter(|(_, mass)| **mass > 0.0).map(|(f, a)| f * a).sum::<f64>()
        };
        let mass: f64 = (0..plan.ncols()).map(|j| plan.col(j).iter().sum::<f64>()).sum();
        let dual = kept(&self.source, problem.source()) + kept(&self.target, problem.target());
        (dual - self.regularization * mass, problem.violation(plan.as_ref()))
    }

    /// The plan with its cost.
    pub fn plan(self, problem: &Transport) -> Plan {
        let plan = self.matrix(problem);
        let cost = problem.cost_of(plan.as_ref());
        Plan { plan, source_potential: self.source, target_potential: self.target, cost }
    }

    /// P; [n, m].
    fn matrix(&self, problem: &Transport) -> Mat<f64> {
        let cost = problem.cost();
        Mat::from_fn(cost.nrows(), cost.ncols(), |i, j| {
            ((self.source[i] + self.target[j] - cost[(i, j)]) / self.regularization).exp()
        })
    }
}

/// log Σ exp(x) with the largest x taken out; −∞ of nothing but −∞.
fn log_sum_exp(exponents: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = exponents.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + exponents.map(|x| (x - largest).exp()).sum::<f64>().ln()
}
