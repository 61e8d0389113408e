//! Error, support and time of several solvers over instances that vary in one way.

use super::ORACLE;
use crate::Result;
use rankine_random::Rng;
use rankine_report::{Axis, Lines, Page, Series, Style, format};
use rankine_solve::kronecker::{Ensemble, KroneckerSolver, Recovered, product_omp::least_squares_on};
use rankine_solve::{Silent, c64};

/// Means over the draws, solver by solver.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Sweep {
    /// What varies.
    pub axis: &'static str,
    /// Its values.
    pub points: Vec<f64>,
    /// One for every solver, and least squares on the support last.
    pub curves: Vec<Curve>,
}

/// Means of one solver, point by point.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Curve {
    pub label: &'static str,
    /// ‖x̂ − x‖² / ‖x‖².
    pub error: Vec<f64>,
    /// Shared part of the supports.
    pub support: Vec<f64>,
    pub steps: Vec<f64>,
    pub milliseconds: Vec<f64>,
}

/// What is measured on one draw: error, support, steps, milliseconds.
type Measured = [f64; 4];

impl Sweep {
    /// Runs solvers on so many draws of every point, an ensemble with a ratio of signal to noise.
    pub fn run(
        (axis, solvers, trials): (&'static str, &[(&'static str, KroneckerSolver)], usize),
        points: impl Iterator<Item = (f64, (Ensemble, f64))>,
        rng: &Rng,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let labels = solvers.iter().map(|(label, _)| *label).chain([ORACLE]);
        let mut curves: Vec<Curve> = labels.map(Curve::new).collect();
        let mut values = Vec::new();
        for (value, (ensemble, decibels)) in points {
            watch(&format!("{axis}: {value}"));
            values.push(value);
            let mut sums = vec![[0.0; 4]; curves.len()];
            for trial in 0..trials {
                // The same instances at every point, as far as the sizes let them be.
                let found = one_draw(&ensemble, decibels, solvers, &rng.fork_index("trial", trial))?;
                for (sum, found) in sums.iter_mut().zip(found) {
                    sum.iter_mut().zip(found).for_each(|(sum, value)| *sum += value / trials as f64);
                }
            }
            curves.iter_mut().zip(sums).for_each(|(curve, means)| curve.push(means));
        }
        Ok(Self { axis, points: values, curves })
    }

    fn curve(&self, label: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.label == label)
    }

    /// Whether the error of one is at no point above that of another.
    pub fn never_above(&self, one: &str, other: &str) -> bool {
        let pair = self.curve(one).zip(self.curve(other));
        pair.is_some_and(|(one, other)| one.error.iter().zip(&other.error).all(|(one, other)| one <= other))
    }

    /// Mean time over the points; NaN where the solver was not run.
    pub fn milliseconds(&self, label: &str) -> f64 {
        let curve = self.curve(label);
        curve.map_or(f64::NAN, |curve| {
            curve.milliseconds.iter().sum::<f64>() / curve.milliseconds.len() as f64
        })
    }

    /// Errors of some solvers in words.
    pub fn words(&self, labels: &[&str]) -> String {
        let errors = |curve: &Curve| curve.error.iter().map(|&e| format::number(e, 2)).collect::<Vec<_>>();
        let words = labels.iter().filter_map(|label| self.curve(label));
        let words: Vec<String> =
            words.map(|curve| format!("{} {}", curve.label, errors(curve).join(", "))).collect();
        words.join("; ")
    }

    /// Plots of error, support and time.
    pub fn show(&self, page: &mut Page) {
        page.plot(self.plot("error", Axis::log("‖x̂ − x‖² / ‖x‖², mean"), |curve| &curve.error));
        page.plot(
            self.plot("support", Axis::linear("shared part of the supports, mean"), |curve| &curve.support),
        );
        page.plot(self.plot("time", Axis::log("time in ms, mean"), |curve| &curve.milliseconds));
    }

    fn plot(&self, what: &str, y: Axis, of: impl Fn(&Curve) -> &Vec<f64>) -> Lines {
        let mut plot = Lines::new(format!("{what} against {}", self.axis), Axis::linear(self.axis), y);
        for curve in &self.curves {
            let points = self.points.iter().copied().zip(of(curve).iter().copied());
            plot = plot.series(Series::new(curve.label, points).style(Style::Marked));
        }
        plot
    }
}

impl Curve {
    fn new(label: &'static str) -> Self {
        Self { label, error: vec![], support: vec![], steps: vec![], milliseconds: vec![] }
    }

    fn push(&mut self, [error, support, steps, milliseconds]: Measured) {
        self.error.push(error);
        self.support.push(support);
        self.steps.push(steps);
        self.milliseconds.push(milliseconds);
    }
}

fn one_draw(
    ensemble: &Ensemble,
    decibels: f64,
    solvers: &[(&'static str, KroneckerSolver)],
    rng: &Rng,
) -> Result<Vec<Measured>> {
    let instance = ensemble.draw(rng)?;
    let problem = instance.noisy(decibels, rng)?;
    let judge =
        |found: &Recovered, truth: &[c64]| [found.relative_error(truth), found.support_recovery(truth)];
    let mut measured = Vec::new();
    for (_, solver) in solvers {
        let solver = solver.solver();
        let report = solver.solve(&problem, None, solver.stop(), &mut Silent::watch)?;
        let [error, support] = judge(&report.solution, &instance.coefficients);
        measured.push([error, support, report.trace.len() as f64, 1e3 * report.seconds]);
    }
    let coefficients = least_squares_on(&problem, &instance.supports)?;
    let oracle = Recovered { coefficients, variances: vec![], noise: None };
    let [error, support] = judge(&oracle, &instance.coefficients);
    measured.push([error, support, f64::NAN, f64::NAN]);
    Ok(measured)
}
