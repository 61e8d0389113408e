//! The problem, its solution, and the checks of both.

use super::Coupling;
use crate::check::{finite, finite_matrix, not_negative};
use crate::{Error, Result};
use faer::{Mat, MatRef};

/// Relative difference of the two masses that is put down to rounding.
const BALANCE: f64 = 1e-6;

/// A transport problem; see the module.
#[derive(Clone, Debug)]
pub struct Transport {
    cost: Mat<f64>,
    source: Vec<f64>,
    target: Vec<f64>,
    regularization: f64,
    /// min C and max C, which solvers ask for in every step.
    limits: [f64; 2],
    /// max_j |min_i C_ij|.
    needed_cost: f64,
}

/// A plan, with the potentials of the constraints where the solver has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Mass carried from each row to each column; [n, m].
    pub plan: Coupling,
    /// Dual potential of every row; [n], or empty. −∞ where the source has no mass.
    pub source_potential: Vec<f64>,
    /// Dual potential of every column; [m], or empty. −∞ where the target has no mass.
    pub target_potential: Vec<f64>,
    /// ⟨C, P⟩.
    pub cost: f64,
}

impl Transport {
    /// Checks and keeps a problem. Masses that differ by rounding only are scaled to the source's.
    ///
    /// # Errors
    /// When sizes do not agree or are zero, an entry is not finite, a mass is negative, the sums of the masses differ, are zero or
    /// overflow, as max C − min C may, or the regularisation is negative.
    pub fn new(cost: Mat<f64>, source: Vec<f64>, mut target: Vec<f64>, regularization: f64) -> Result<Self> {
        size("source", "entries", source.len(), cost.nrows(), "the cost has so many rows")?;
        size("target", "entries", target.len(), cost.ncols(), "the cost has so many columns")?;
        if cost.nrows() == 0 || cost.ncols() == 0 {
            return Err(Error::Empty { what: "cost" });
        }
        finite_matrix("cost", cost.as_ref())?;
        masses("source", &source)?;
        masses("target", &target)?;
        not_negative("regularization", regularization)?;
        let factor = balance(source.iter().sum(), target.iter().sum())?;
        target.iter_mut().for_each(|mass| *mass *= factor);
        let (mut limits, mut needed_cost) = ([f64::INFINITY, f64::NEG_INFINITY], 0.0f64);
        for j in 0..cost.ncols() {
            let ends = |[low, high]: [f64; 2], &cost: &f64| [cost.min(low), cost.max(high)];
            let [low, high] = cost.col_as_slice(j).iter().fold([f64::INFINITY, f64::NEG_INFINITY], ends);
            limits = [limits[0].min(low), limits[1].max(high)];
            needed_cost = needed_cost.max(low.abs());
        }
        let problem = Self { cost, source, target, regularization, limits, needed_cost };
        match problem.spread() {
            found if found.is_finite() => Ok(problem),
            found => Err(Error::Magnitude { what: "max − min of the cost", found }),
        }
    }

    /// max_j |min_i C_ij|: the size of costs that no plan avoids, whatever is forbidden by far larger ones.
    pub(super) fn needed_cost(&self) -> f64 {
        self.needed_cost
    }

    /// max C − min C, but at most sixteen times what a quarter of the costs are above the least: costs that forbid do not count.
    pub(super) fn usual_spread(&self) -> f64 {
        const SAMPLE: usize = 4096;
        let (rows, entries) = (self.source.len(), self.source.len() * self.target.len());
        // Odd, as a step that divides the rows, often powers of two, would see a few of them only.
        let every = entries.div_ceil(SAMPLE) | 1;
        let at = |place: usize| self.column(place / rows)[place % rows];
        let mut sample: Vec<f64> = (0..entries).step_by(every).map(at).collect();
        let quarter = sample.len() / 4;
        let above = *sample.select_nth_unstable_by(quarter, f64::total_cmp).1 - self.limits[0];
        if 0.0 < above { self.spread().min(16.0 * above) } else { self.spread() }
    }

    /// Cost of carrying a unit from each row to each column; [n, m].
    pub fn cost(&self) -> MatRef<'_, f64> {
        self.cost.as_ref()
    }

    /// Mass of every row; [n].
    pub fn source(&self) -> &[f64] {
        &self.source
    }

    /// Mass of every column, with the same sum; [m].
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// How strongly the plan is smoothed, in units of the cost.
    pub fn regularization(&self) -> f64 {
        self.regularization
    }

    /// ⟨C, P⟩.
    pub fn cost_of(&self, plan: &Coupling) -> f64 {
        let mut total = 0.0;
        plan.each(|row, column, mass| total += self.cost[(row, column)] * mass);
        total
    }

    /// (‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁) / mass.
    pub fn violation(&self, plan: &Coupling) -> f64 {
        let (rows, columns) = plan.sums();
        self.violation_of_sums(&rows, &columns)
    }

    /// The same of a plan with these row and column sums; [n], [m].
    pub fn violation_of_sums(&self, rows: &[f64], columns: &[f64]) -> f64 {
        let distance = |found: &[f64], wanted: &[f64]| -> f64 {
            found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs()).sum()
        };
        (distance(rows, &self.source) + distance(columns, &self.target)) / self.mass()
    }

    /// Sum of the source, which is that of the target.
    pub fn mass(&self) -> f64 {
        self.source.iter().sum()
    }

    /// max |C|.
    pub fn largest_cost(&self) -> f64 {
        self.limits[0].abs().max(self.limits[1].abs())
    }

    /// max C − min C.
    pub fn spread(&self) -> f64 {
        self.limits[1] - self.limits[0]
    }

    /// Costs of a column; [n].
    pub(crate) fn column(&self, column: usize) -> &[f64] {
        self.cost.col_as_slice(column)
    }

    /// Whether the potentials of a plan, where it has them, fit the problem.
    ///
    /// # Errors
    /// When there are more or fewer than rows and columns.
    pub(crate) fn check_potentials(&self, plan: &Plan) -> Result<()> {
        let reason = "the problem has so many";
        for (what, potential, masses) in [
            ("source potential", &plan.source_potential, &self.source),
            ("target potential", &plan.target_potential, &self.target),
        ] {
            if !potential.is_empty() {
                size(what, "entries", potential.len(), masses.len(), reason)?;
            }
        }
        Ok(())
    }

    /// The regularisation of a solver that needs one.
    ///
    /// # Errors
    /// When it is zero.
    pub(crate) fn smoothed(&self) -> Result<f64> {
        let range = "above 0 for this solver; `exact` takes 0";
        let positive = (self.regularization > 0.0).then_some(self.regularization);
        positive.ok_or(Error::Setting { name: "regularization", found: self.regularization, range })
    }
}

/// By what the target's mass is multiplied to be the source's.
///
/// # Errors
/// When they differ by more than rounding, are not above zero, or have overflown.
pub(super) fn balance(source_sum: f64, target_sum: f64) -> Result<f64> {
    for (what, found) in [("the mass of the source", source_sum), ("the mass of the target", target_sum)] {
        if !found.is_finite() {
            return Err(Error::Magnitude { what, found });
        }
    }
    if (source_sum - target_sum).abs() > BALANCE * source_sum.max(target_sum) || source_sum <= 0.0 {
        return Err(Error::Masses { source_sum, target_sum });
    }
    Ok(source_sum / target_sum)
}

/// Whether a count is the expected one.
pub(super) fn size(
    what: &'static str,
    unit: &'static str,
    found: usize,
    expected: usize,
    reason: &'static str,
) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Size { what, unit, found, expected, reason }) }
}

/// Whether every mass is finite and at least zero.
pub(super) fn masses(what: &'static str, masses: &[f64]) -> Result<()> {
    finite(what, masses)?;
    match masses.iter().enumerate().find(|(_, mass)| **mass < 0.0) {
        Some((index, &value)) => Err(Error::Negative { what, index, value }),
        None => Ok(()),
    }
}
