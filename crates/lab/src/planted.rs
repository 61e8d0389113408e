//! What the experiments on planted matrices share: errors step by step, and the page around them.

use crate::{
    Claim,
    findings::{self, Finding, Story},
};
use rankine_report::{Axis, Cell, Column, Lines, Series, Table};

/// Points of a line at most: more are not seen.
const POINTS: usize = 300;

/// Errors of one solver.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Curve {
    pub label: String,
    /// At the start, and after every step.
    pub errors: Vec<f64>,
}

impl Curve {
    pub(crate) fn new(label: impl Into<String>, errors: Vec<f64>) -> Self {
        Self { label: label.into(), errors }
    }

    /// The error after the last step.
    pub(crate) fn last(&self) -> f64 {
        self.errors.last().copied().unwrap_or(f64::NAN)
    }

    /// The first step with an error below `limit`.
    pub(crate) fn below(&self, limit: f64) -> Option<usize> {
        self.errors.iter().position(|error| *error < limit)
    }

    /// Steps from the first error below `from` to the first below `to`; infinite where there is none.
    pub(crate) fn between(&self, from: f64, to: f64) -> f64 {
        let steps = self.below(from).zip(self.below(to));
        steps.map_or(f64::INFINITY, |(begun, ended)| ended as f64 - begun as f64)
    }

    /// The slope of the logarithm of the error against that of the step, between two steps.
    pub(crate) fn slope(&self, from: usize, to: usize) -> f64 {
        let at = |step: usize| self.errors.get(step).copied().unwrap_or(f64::NAN);
        (at(to) / at(from)).ln() / (to as f64 / from as f64).ln()
    }

    /// What the error loses a step, in logarithms, between two steps.
    pub(crate) fn rate(&self, from: usize, to: usize) -> f64 {
        let at = |step: usize| self.errors.get(step).copied().unwrap_or(f64::NAN);
        (at(from) / at(to)).ln() / (to as f64 - from as f64)
    }
}

/// The curve with a label.
pub(crate) fn named<'a>(curves: &'a [Curve], label: &str) -> Option<&'a Curve> {
    curves.iter().find(|curve| curve.label == label)
}

/// The last error of the curve with a label; NaN where there is none.
pub(crate) fn last(curves: &[Curve], label: &str) -> f64 {
    named(curves, label).map_or(f64::NAN, Curve::last)
}

/// Errors against steps, or against their logarithm.
pub(crate) fn plot<'a>(
    title: &str,
    steps: Axis,
    error: &str,
    curves: impl IntoIterator<Item = &'a Curve>,
) -> Lines {
    let first = usize::from(steps.log);
    let mut lines = Lines::new(title, steps, Axis::log(error));
    for Curve { label, errors } in curves {
        let apart = errors.len().div_ceil(POINTS).max(1);
        let points = errors.iter().enumerate().skip(first).step_by(apart);
        let points = points.map(|(step, &error)| (step as f64, error));
        lines = lines.series(Series::new(label, points));
    }
    lines
}

/// Errors after some steps.
pub(crate) fn table<'a>(steps: &[usize], curves: impl IntoIterator<Item = &'a Curve>) -> Table {
    let after = |step: &usize| Column::number(format!("after {step}"));
    let mut table = Table::new([Column::text("Solver")].into_iter().chain(steps.iter().map(after)));
    for curve in curves {
        let error =
            |step: &usize| curve.errors.get(*step).map_or(String::new(), |error| format!("{error:.1e}"));
        let cells = steps.iter().map(|step| Cell::text(error(step)));
        table.row([Cell::text(curve.label.as_str())].into_iter().chain(cells));
    }
    table
}

/// The claim with the head of its page; it holds where every finding does.
pub(crate) fn claim(story: &Story<'_>, findings: &[Finding], curves: &[Curve]) -> Claim {
    let (holds, page) = (findings::hold(findings), findings::page(story, findings));
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "curves": curves });
    Claim { statement: story.statement.to_owned(), holds, page, numbers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_slopes_are_those_of_the_errors() {
        let linear = Curve::new("linear", (0..100).map(|step| 0.5_f64.powi(step)).collect());
        assert!((linear.rate(10, 60) - 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!((linear.below(0.1), linear.between(0.1, 1e-3)), (Some(4), 6.0));
        assert_eq!(linear.between(0.1, 1e-300), f64::INFINITY);
        let slow = Curve::new("slow", (0..100).map(|step| 3.0 / f64::from(step)).collect());
        assert!((slow.slope(10, 90) + 1.0).abs() < 1e-12);
        assert!(last(&[slow], "fast").is_nan());
    }
}
