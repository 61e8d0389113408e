//! An answer as a page and as JSON.

use super::question::Facts;
use anyhow::Result;
use rankine_report::{Axis, Cell, Level, Lines, Page, Series};
use rankine_solve::{Outcome, Progress, Report, Solvers};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;

/// Steps that JSON tells of at most; the last is always among them.
const TOLD: usize = 200;

/// What is said of an answer.
pub struct Answer<'a, S> {
    pub question: &'static str,
    pub lead: String,
    pub solver: &'a S,
    pub good: bool,
    /// What may be wrong with the problem.
    pub warning: Option<String>,
    /// What a good outcome means, where that is not plain.
    pub note: Option<&'static str>,
    /// What the question says to do, where that is more than what is said of every one.
    pub own_remedy: Option<&'static str>,
    pub facts: Facts,
    pub report: Report<()>,
    pub output: Option<&'a Path>,
}

/// The same in JSON.
#[derive(Serialize)]
pub struct Json<'a, S> {
    question: &'static str,
    problem: &'a str,
    solver: &'a S,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    #[serde(flatten)]
    last: Last,
    facts: Map<String, Value>,
    output: Option<&'a Path>,
    trace: Vec<&'a Progress>,
}

/// Where a solver ended; `null` where it made no step.
#[derive(Clone, Copy, Serialize)]
pub struct Last {
    pub steps: usize,
    pub objective: f64,
    pub residual: f64,
    pub seconds: f64,
}

impl Last {
    /// That of a report.
    pub fn of<T>(report: &Report<T>) -> Self {
        let last = report.last();
        Self {
            steps: last.map_or(0, |last| last.step),
            objective: last.map_or(f64::NAN, |last| last.objective),
            residual: last.map_or(f64::NAN, |last| last.residual),
            seconds: report.seconds,
        }
    }
}

impl<S: Solvers> Answer<'_, S> {
    /// For machines.
    pub fn json(&self) -> Json<'_, S> {
        Json {
            question: self.question,
            problem: &self.lead,
            solver: self.solver,
            outcome: self.report.outcome,
            warning: self.warning.as_deref(),
            note: self.note(),
            remedy: self.remedy(),
            last: Last::of(&self.report),
            facts: json(&self.facts),
            output: self.output,
            trace: thinned(&self.report.trace),
        }
    }

    /// For readers.
    pub fn page(&self) -> Page {
        let Last { steps, objective, residual, seconds } = Last::of(&self.report);
        let mut page = Page::new(format!("{} by {}", self.question, self.solver.name()));
        page.lead(self.lead.as_str());
        let mut facts = vec![
            ("outcome", Cell::text(words(self.report.outcome))),
            ("objective", number(objective)),
            ("residual", number(residual)),
            ("steps", Cell::Count(steps as u64)),
            ("time", Cell::Seconds(seconds)),
        ];
        facts.extend(self.facts.iter().map(|&(name, value)| (name, number(value))));
        facts.extend(self.output.map(|path| ("written to", Cell::text(path.display().to_string()))));
        page.facts(&facts);
        if let Some(warning) = &self.warning {
            page.note(Level::Warning, warning);
        }
        if let Some(note) = self.note() {
            page.note(Level::Note, note);
        }
        if let Some(remedy) = self.remedy() {
            page.note(Level::Warning, remedy);
        }
        page
    }

    /// The same with the settings and the plots of the convergence.
    pub fn full_page(&self) -> Result<Page> {
        let mut page = self.page();
        page.section("Settings").code(toml::Table::try_from(self.solver)?.to_string());
        let series = |value: fn(&Progress) -> f64| {
            let points = self.report.trace.iter().map(|progress| (progress.step as f64, value(progress)));
            Series::new(self.solver.name(), points)
        };
        let residual = Lines::new("Residual after every step", Axis::linear("step"), Axis::log("residual"));
        let objective = Lines::new("Objective", Axis::linear("step"), Axis::linear("objective"));
        page.section("Convergence")
            .plot(residual.series(series(|progress| progress.residual)))
            .plot(objective.series(series(|progress| progress.objective)));
        Ok(page)
    }

    fn note(&self) -> Option<&'static str> {
        self.note.filter(|_| self.good)
    }

    fn remedy(&self) -> Option<&'static str> {
        let remedy = match self.report.outcome {
            Outcome::Interrupted => Some(
                "give it more time, or go on with `--start` from what `--output` wrote: it is not the end",
            ),
            outcome => outcome.remedy(),
        };
        self.own_remedy.or(remedy).filter(|_| !self.good)
    }
}

/// How a solver ended, in words.
pub fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Converged => "converged",
        Outcome::StepLimit => "out of steps",
        Outcome::Stalled => "stalled",
        Outcome::Interrupted => "interrupted",
        Outcome::NotFinite => "not finite",
    }
}

/// A measured number.
pub fn number(value: f64) -> Cell {
    Cell::Number { value, digits: 6 }
}

/// Names and numbers as JSON has them.
pub fn json(facts: &[(&str, f64)]) -> Map<String, Value> {
    facts.iter().map(|&(name, value)| (name.replace(' ', "_"), Value::from(value))).collect()
}

/// Some steps of many, equally far apart, counted from the last.
fn thinned(trace: &[Progress]) -> Vec<&Progress> {
    let every = trace.len().div_ceil(TOLD).max(1);
    let mut kept: Vec<&Progress> = trace.iter().rev().step_by(every).collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_trace_keeps_its_end() {
        let trace: Vec<Progress> =
            (1..=1001).map(|step| Progress { step, objective: 0.0, residual: 0.0, seconds: 0.0 }).collect();
        let kept = thinned(&trace);
        assert!(kept.len() <= TOLD && kept.last().unwrap().step == 1001);
        assert_eq!((thinned(&trace[..3]).len(), thinned(&[]).len()), (3, 0));
    }
}
