//! The dual of transport with a squared penalty and few entries a column: what its solvers share.
//!
//!     Ω(t) = (ε/2)·‖t‖², ‖t‖₀ ≤ k      s = f − C_j      t = max(s − θ, 0) / ε on the k largest entries of s
//!     semi-dual: a·f − Σ_j max_t (s·t − Ω(t)), t on b_j · simplex           θ such that Σ t = b_j;  gradient a − P·1
//!     dual: a·f + b·g − Σ_j max_t ((s + g_j)·t − Ω(t)), t ≥ 0               θ = −g_j;  gradient (a − P·1, b − Pᵀ·1)
//!
//! Either is concave in f (and g), smooth but where the k-th and the next entry of a column tie. One evaluation streams the
//! cost once, O(n·m), and holds O(n + m). Columns may be held to supports that are given.

use super::{Plan, Sparse, Transport, scan};
use crate::Result;
use rankine_linalg::{keep_largest, simplex_threshold};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which of the two functions is maximised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One variable a row; the columns are met exactly.
    #[default]
    SemiDual,
    /// One variable a row and one a column.
    Dual,
}

/// Parts that the columns are cut into; their sums are added in order.
const PARTS: usize = 16;

/// Rounding error of the function, over its scale.
const ROUNDING: f64 = 1e-13;

/// The function to be maximised; handed to minimisers with its sign turned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Objective<'a> {
    pub problem: &'a Transport,
    pub form: Form,
    /// ε.
    pub regularization: f64,
    /// k.
    pub nonzeros: usize,
    /// Rows that each column may use, ascending, in the place of all; [m].
    pub supports: Option<&'a [Vec<usize>]>,
}

/// What a column of the plan is, its conjugate, and the θ above which entries carry mass.
struct Column {
    value: f64,
    threshold: f64,
}

/// Sums over some columns.
struct Part {
    value: f64,
    rows: Vec<f64>,
    columns: Vec<(usize, f64)>,
}

impl Objective<'_> {
    /// How many variables there are.
    pub fn variables(&self) -> usize {
        match self.form {
            Form::SemiDual => self.problem.source().len(),
            Form::Dual => self.problem.source().len() + self.problem.target().len(),
        }
    }

    /// Where to begin: the potentials of a plan, or zero.
    pub fn start(&self, from: Option<&Plan>) -> Result<Vec<f64>> {
        let mut x = vec![0.0; self.variables()];
        if let Some(plan) = from {
            self.problem.check_potentials(plan)?;
            let potentials = plan.source_potential.iter().chain(&plan.target_potential);
            // A row without mass may have the potential −∞; any finite one does as well.
            x.iter_mut().zip(potentials).for_each(|(x, &p)| *x = if p.is_finite() { p } else { 0.0 });
        }
        Ok(x)
    }

    /// What all mass at one place costs at most: mass · (max |C| + ε · mass).
    pub fn scale(&self) -> f64 {
        let mass = self.problem.mass();
        mass * (self.problem.largest_cost() + self.regularization * mass)
    }

    /// Rounding error of the function.
    pub fn noise(&self) -> f64 {
        ROUNDING * self.scale()
    }

    /// The function with its sign turned, and its gradient.
    pub fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.sample(x, &(0..self.problem.target().len()).collect::<Vec<_>>(), gradient)
    }

    /// The same by some of the columns in the place of all.
    pub fn sample(&self, x: &[f64], columns: &[usize], gradient: &mut [f64]) -> f64 {
        let (rows, weight) =
            (self.problem.source().len(), self.problem.target().len() as f64 / columns.len() as f64);
        let parts: Vec<Part> = columns
            .par_chunks(columns.len().div_ceil(PARTS).max(1))
            .map(|columns| self.part(x, columns))
            .collect();
        let masses = self.problem.source().iter().chain(self.problem.target());
        gradient.iter_mut().zip(masses.clone()).for_each(|(gradient, mass)| *gradient = -mass);
        let mut value = -masses.zip(x).map(|(mass, x)| mass * x).sum::<f64>();
        for part in parts {
            value += weight * part.value;
            gradient.iter_mut().zip(&part.rows).for_each(|(gradient, sum)| *gradient += weight * sum);
            if self.form == Form::Dual {
                part.columns.iter().for_each(|&(column, sum)| gradient[rows + column] += weight * sum);
            }
        }
        value
    }

    /// (‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁) / mass of the plan at x, from the gradient there.
    pub fn residual(&self, gradient: &[f64]) -> f64 {
        gradient.iter().map(|slope| slope.abs()).sum::<f64>() / self.problem.mass()
    }

    /// The plan at x, with its potentials.
    pub fn plan(&self, x: &[f64]) -> Plan {
        let (rows, columns) = (self.problem.source().len(), self.problem.target().len());
        let (mut plan, mut target_potential, mut found) =
            (Sparse::without_columns(rows), Vec::new(), Vec::new());
        for column in 0..columns {
            target_potential.push(-self.column(x, column, &mut found).threshold);
            plan.push(&mut found);
        }
        let plan = plan.into();
        let cost = self.problem.cost_of(&plan);
        Plan { plan, source_potential: x[..rows].to_vec(), target_potential, cost }
    }

    /// The k rows of each column that are the best at x, whether they carry mass or not; [m].
    pub fn best_rows(&self, x: &[f64]) -> Vec<Vec<usize>> {
        let best = |column: usize| {
            let costs = self.problem.column(column).iter().zip(x);
            let mut entries: Vec<(usize, f64)> = costs.map(|(cost, x)| x - cost).enumerate().collect();
            keep_largest(&mut entries, self.nonzeros);
            let mut rows: Vec<usize> = entries.into_iter().map(|entry| entry.0).collect();
            rows.sort_unstable();
            rows
        };
        (0..self.problem.target().len()).into_par_iter().map(best).collect()
    }

    fn part(&self, x: &[f64], columns: &[usize]) -> Part {
        let mut part = Part { value: 0.0, rows: vec![0.0; self.problem.source().len()], columns: Vec::new() };
        let mut found = Vec::new();
        for &column in columns {
            part.value += self.column(x, column, &mut found).value;
            found.iter().for_each(|&(row, mass)| part.rows[row] += mass);
            part.columns.push((column, found.iter().map(|entry| entry.1).sum()));
        }
        part
    }

    /// A column of the plan at x, as (row, mass) in `found`.
    fn column(&self, x: &[f64], column: usize, found: &mut Vec<(usize, f64)>) -> Column {
        let highest = self.candidates(x, column, found);
        keep_largest(found, self.nonzeros);
        // Distances from the highest entry, so that rounding is that of the masses and not of the potentials.
        let threshold = match self.form {
            Form::SemiDual => {
                let total = self.regularization * self.problem.target()[column];
                simplex_threshold(found.iter().map(|entry| entry.1), total)
            }
            Form::Dual => -x[self.problem.source().len() + column] - highest,
        };
        let offset = match self.form {
            Form::SemiDual => highest,
            Form::Dual => -threshold,
        };
        let mut value = 0.0;
        found.retain_mut(|(_, entry)| {
            let mass = ((*entry - threshold) / self.regularization).max(0.0);
            value += mass * (*entry + offset - self.regularization / 2.0 * mass);
            *entry = mass;
            mass > 0.0
        });
        Column { value, threshold: highest + threshold }
    }

    /// The entries of f − C_j that can carry mass, less the highest of them, which is returned.
    fn candidates(&self, x: &[f64], column: usize, found: &mut Vec<(usize, f64)>) -> f64 {
        let (cost, potential) = (self.problem.column(column), &x[..self.problem.source().len()]);
        let highest = match self.supports {
            None => scan::highest(potential, cost),
            Some(supports) => supports[column]
                .iter()
                .fold(f64::NEG_INFINITY, |highest, &row| highest.max(potential[row] - cost[row])),
        };
        let floor = match self.form {
            Form::SemiDual => -self.regularization * self.problem.target()[column],
            Form::Dual => -x[potential.len() + column] - highest,
        };
        found.clear();
        match self.supports {
            None => {
                for (row, (potential, cost)) in potential.iter().zip(cost).enumerate() {
                    let entry = potential - cost - highest;
                    if entry >= floor {
                        found.push((row, entry));
                    }
                }
            }
            Some(supports) => {
                let entries = supports[column].iter().map(|&row| (row, potential[row] - cost[row] - highest));
                found.extend(entries.filter(|entry| entry.1 >= floor));
            }
        }
        highest
    }
}
