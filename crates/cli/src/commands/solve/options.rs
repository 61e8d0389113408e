//! Options of every question: the solver with its settings, when it stops, where the answer goes.

use crate::Context;
use crate::bar;
use crate::errors::Failure;
use crate::interrupt::Interrupt;
use crate::pages::PageFile;
use anyhow::{Context as _, Result};
use rankine_report::format;
use rankine_run::parse_change;
use rankine_solve::{Progress, Report, Solvers, Stop, Watch};
use serde::de::DeserializeOwned;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Seconds between two figures on the line of progress.
const TOLD_EVERY: f64 = 0.2;

// The help of a question is its own: a comment of documentation on these would stand in its place.
#[derive(clap::Args)]
#[command(next_help_heading = "Solving")]
pub struct Options {
    /// Who answers: one of the solvers below
    #[arg(long, value_name = "NAME")]
    pub solver: Option<String>,
    /// Any setting of the solver, for example `memory=20`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub changes: Vec<String>,
    #[command(flatten)]
    pub limits: Limits,
    /// Start from the answer to a problem of the same size, a file that --output wrote: `.npz` where it has several arrays
    #[arg(long, value_name = "FILE")]
    pub start: Option<PathBuf>,
    /// File to write the answer to; the ending says how
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub pages: Pages,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Solving")]
pub struct Limits {
    /// Steps at most; without it the solver says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Residual that is small enough; without it the solver says
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// Break off when so much time is over, after the step at hand at the latest, and return what was found
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    seconds: Option<f64>,
}

#[derive(clap::Args)]
pub struct Pages {
    /// Write a page with plots here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Pages {
    /// Where the page goes, before anything is read. It and the answer, where that is written to `output`, take the place of
    /// nothing in `read`, nor of each other.
    pub fn apart(&self, output: Option<&Path>, read: Vec<PathBuf>) -> Result<PageFile> {
        if let Some(output) = output {
            rankine_surgery::check_apart(output, &read)?;
            if self.html.as_deref().is_some_and(|page| place(page) == place(output)) {
                let message =
                    format!("the answer and its page would both be written to `{}`", output.display());
                return Err(Failure::with_hint(message, "give `--html` another file than `--output`").into());
            }
        }
        PageFile::html(self.html.as_deref(), read)
    }
}

/// Where a file lies, or will lie, whatever leads to it.
fn place(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let unwritten = || Some(whole.parent()?.canonicalize().ok()?.join(whole.file_name()?));
    whole.canonicalize().ok().or_else(unwritten).unwrap_or(whole)
}

impl Limits {
    /// When a solver stops; `usual` is the question's own tolerance.
    pub fn stop<S: Solvers>(&self, choice: &S, usual: Option<f64>) -> Result<Stop> {
        let Stop { steps, tolerance } = choice.solver().stop();
        let steps = self.steps.map_or(Ok(steps), usize::try_from)?;
        Ok(Stop { steps, tolerance: self.tolerance.or(usual).unwrap_or(tolerance) })
    }
}

/// The solver of that name with some settings changed.
pub fn choose<S: Solvers>(name: &str, changes: &[String]) -> Result<S> {
    let names: Vec<String> = S::all().iter().map(Solvers::name).collect();
    if !names.iter().any(|known| known == name) {
        let hint = format!("there are: {}", names.join(", "));
        return Err(Failure::with_hint(format!("no solver of this question is called `{name}`"), hint).into());
    }
    settings(&format!("[{name}]\n"), changes)
        .with_context(|| format!("while reading the settings of `{name}`"))
}

/// What `KEY=VALUE` pairs under a heading of TOML stand for; a word that is none of its has a caret under it.
pub fn settings<T: DeserializeOwned>(heading: &str, changes: &[String]) -> Result<T> {
    let mut text = heading.to_owned();
    for change in changes {
        let (key, value) = parse_change(change)?;
        text += &format!("{key} = {value}\n");
    }
    Ok(toml::from_str(&text)?)
}

/// The list of solvers under the help of a question, before its examples.
pub fn help<S: Solvers>(examples: &str) -> String {
    let all = S::all();
    let width = all.iter().map(|choice| choice.name().len()).max().unwrap_or(0);
    let line = |choice: &S| format!("  {:width$}  {}\n", choice.name(), choice.about());
    let list: String = all.iter().map(line).collect();
    format!("Solvers:\n{list}\n{examples}").trim_end().to_owned()
}

/// Shows how far a solver is; breaks it off on Ctrl-C, and when its time is over.
pub struct Watching<'a> {
    context: &'a Context,
    interrupt: Interrupt,
    seconds: Option<f64>,
}

impl<'a> Watching<'a> {
    /// Takes over Ctrl-C.
    pub fn new(context: &'a Context, limits: &Limits) -> Self {
        Self { context, interrupt: Interrupt::listen(), seconds: limits.seconds }
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    /// Solves a problem, from a solution where there is one.
    pub fn solve<S: Solvers>(
        &self,
        choice: &S,
        problem: &S::Problem,
        from: Option<&S::Solution>,
        stop: Stop,
    ) -> Result<Report<S::Solution>, rankine_solve::Error> {
        self.watched(&choice.name(), |watch| choice.solver().solve(problem, from, stop, watch))
    }

    /// Does what tells a watch of its steps, on a line that begins with `name`.
    pub fn watched<T>(&self, name: &str, work: impl FnOnce(&mut Watch<'_>) -> T) -> T {
        let (line, mut told) = (bar::line(self.context, name), 0.0);
        work(&mut |progress: &Progress| {
            let &Progress { step, objective, residual, seconds } = progress;
            if told + TOLD_EVERY <= seconds {
                told = seconds;
                let [objective, residual] = [objective, residual].map(|value| format::number(value, 3));
                line.say(match step {
                    // Nothing is measured before the first.
                    0 => name.to_owned(),
                    _ => format!("{name}  step {step}  objective {objective}  residual {residual}"),
                });
            }
            match self.interrupt.is_asked() || self.seconds.is_some_and(|most| most <= seconds) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }
}

/// A number of the command line that is finite and not negative.
pub fn at_least_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "should be a number".to_owned())?;
    if 0.0 <= number && number.is_finite() {
        Ok(number)
    } else {
        Err("should be finite and at least 0".to_owned())
    }
}

/// A word that stands for a value of a type.
pub fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::Value::String(text.to_owned()).try_into().map_err(|error| error.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_solve::transport::TransportSolver;
    use rankine_solve::{approximation, kronecker, linear, recovery, regression};

    fn check<S: Solvers + PartialEq + std::fmt::Debug>() {
        let help = help::<S>("Examples:");
        for choice in S::all() {
            let name = choice.name();
            assert_eq!(choose::<S>(&name, &[]).unwrap(), choice);
            assert!(help.contains(&format!("\n  {name} ")), "{help}");
            assert!(!choice.about().is_empty() && !choice.about().contains('\n'), "{name}");
        }
        assert!(choose::<S>("none of them", &[]).is_err());
    }

    #[test]
    fn every_solver_is_chosen_by_its_name() {
        check::<TransportSolver>();
        check::<recovery::completion::CompletionSolver>();
        check::<recovery::sensing::SensingSolver>();
        check::<kronecker::KroneckerSolver>();
        check::<regression::RegressionSolver>();
        check::<regression::kronecker::KroneckerSolver>();
        check::<approximation::ApproximationSolver>();
        check::<linear::LinearSolver>();
    }

    #[test]
    fn a_misspelt_setting_has_a_caret_under_it() {
        let error = choose::<TransportSolver>("sinkhorn", &["lenght=3".to_owned()]).unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.contains("lenght = 3") && said.contains("^^^^^^") && said.contains("unknown field"),
            "{said}"
        );
        assert!(choose::<TransportSolver>("sinkhorn", &["lenght".to_owned()]).is_err());
    }

    #[test]
    fn numbers_are_finite_and_not_negative() {
        assert_eq!((at_least_zero("1e-3"), at_least_zero("0")), (Ok(1e-3), Ok(0.0)));
        for text in ["-1", "nan", "inf", "x", ""] {
            assert!(at_least_zero(text).is_err(), "{text}");
        }
    }
}
