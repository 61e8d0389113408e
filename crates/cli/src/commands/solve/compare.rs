//! `rankine solve compare`: every solver of a question on one problem.

use super::approximate::Approximate;
use super::complete::Complete;
use super::linear::Linear;
use super::options::{Limits, Pages, Watching};
use super::question::{Compared, Facts, Question};
use super::recover::Recover;
use super::regress::Regress;
use super::regress_kronecker::RegressKronecker;
use super::sense::Sense;
use super::show::{Last, json, number, words};
use super::transport::Transport;
use crate::memory::Peak;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Style, Table};
use rankine_solve::{Outcome, Progress, Solvers};
use serde::Serialize;
use serde_json::{Map, Value};

/// Have every solver of a question answer it
///
/// Each has its default settings and stops by itself, or by the limits that are given. Objective and residual, steps, time and
/// memory beside the problem stand side by side, and what is measured of the solutions, by which those of different objectives are
/// compared. A solver that cannot take the problem says why. Exit code 1 when one of them does not converge.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve compare transport --cost C.npy --regularization 1e-2
  rankine solve compare complete ratings.csv --rank 10 --holdout 0.1 --seconds 60 --html solvers.html
  rankine solve compare linear --random shape=[64,64]";

/// Which question.
#[derive(clap::Subcommand)]
enum Command {
    /// Every solver that carries one distribution of mass over to another
    Transport(Box<Compared<Transport>>),
    /// Every solver that fills in a matrix of low rank
    Complete(Box<Compared<Complete>>),
    /// Every solver that finds a matrix of low rank by its measurements
    Sense(Box<Compared<Sense>>),
    /// Every solver that finds a sparse vector behind a Kronecker product
    #[command(visible_alias = "krosbl")]
    Recover(Box<Compared<Recover>>),
    /// Every solver that fits coefficients by least squares
    Regress(Box<Compared<Regress>>),
    /// Every solver that does so where the design is a Kronecker product
    RegressKronecker(Box<Compared<RegressKronecker>>),
    /// Every way to choose the points of an approximation
    Approximate(Box<Compared<Approximate>>),
    /// Every solver of a symmetric positive definite system
    Linear(Box<Compared<Linear>>),
}

impl Compare {
    /// Compares.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        match &self.command {
            Command::Transport(command) => command.run(context),
            Command::Complete(command) => command.run(context),
            Command::Sense(command) => command.run(context),
            Command::Recover(command) => command.run(context),
            Command::Regress(command) => command.run(context),
            Command::RegressKronecker(command) => command.run(context),
            Command::Approximate(command) => command.run(context),
            Command::Linear(command) => command.run(context),
        }
    }
}

// The help is that of the subcommand: a comment of documentation here would stand in its place.
#[derive(clap::Args)]
pub struct Comparison {
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    pages: Pages,
}

/// How a solver fared.
#[derive(Serialize)]
struct Fared {
    solver: String,
    #[serde(flatten)]
    ended: Ended,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Ended {
    Answered {
        outcome: Outcome,
        #[serde(skip)]
        good: bool,
        #[serde(flatten)]
        last: Last,
        /// At the peak, beside what was there before.
        peak_bytes: Option<u64>,
        /// What it leaves out of the problem.
        #[serde(skip_serializing_if = "Option::is_none")]
        warning: Option<String>,
        facts: Map<String, Value>,
        #[serde(skip)]
        shown: Facts,
        #[serde(skip)]
        trace: Vec<Progress>,
    },
    Refused {
        error: String,
    },
}

impl Comparison {
    /// Has every solver answer the question.
    pub fn run<Q: Question>(&self, context: &Context, question: &Q) -> Result<Exit> {
        let file = self.pages.apart(None, question.inputs())?;
        let (posed, watching) = (question.pose()?, Watching::new(context, &self.limits));
        let posed = question.settle(posed, &watching)?;
        let mut all = Vec::new();
        for choice in Q::Solvers::all() {
            let (stop, peak) = (self.limits.stop(&choice, Q::tolerance(&choice))?, Peak::begin());
            let report = watching.solve(&choice, &posed.problem, None, stop);
            let peak_bytes = peak.and_then(Peak::end);
            let ended = match report {
                Err(error) => Ended::Refused { error: error.to_string() },
                Ok(report) => {
                    let shown = question.facts(&posed, &report.solution);
                    Ended::Answered {
                        outcome: report.outcome,
                        good: question.is_good(report.outcome),
                        last: Last::of(&report),
                        peak_bytes,
                        warning: question.left_out(&choice),
                        facts: json(&shown),
                        shown,
                        trace: report.trace,
                    }
                }
            };
            all.push(Fared { solver: choice.name(), ended });
            if watching.is_interrupted() {
                break;
            }
        }
        let title = format!("Solvers of {}", Q::NAME);
        let shown = || page(&title, question.lead(&posed, None), question.warning(&posed), &all);
        file.write(|| plotted(shown(), &all))?;
        match self.pages.json {
            true => context.show_json(&all)?,
            false => context.show(&shown())?,
        }
        let good = all.iter().all(|fared| !matches!(fared.ended, Ended::Answered { good: false, .. }));
        Ok(if good && !watching.is_interrupted() { Exit::Done } else { Exit::CheckFailed })
    }
}

fn page(title: &str, lead: String, warning: Option<String>, all: &[Fared]) -> Page {
    let mut page = Page::new(title);
    page.lead(lead);
    if let Some(warning) = warning {
        page.note(Level::Warning, warning);
    }
    let measured = all.iter().find_map(|fared| match &fared.ended {
        Ended::Answered { shown, .. } => Some(shown.iter().map(|(name, _)| *name)),
        Ended::Refused { .. } => None,
    });
    let words_first = [Column::text("solver"), Column::text("outcome")];
    let numbers = ["objective", "residual", "steps", "time", "memory"].into_iter();
    let numbers = numbers.chain(measured.into_iter().flatten()).map(Column::number);
    let mut table = Table::new(words_first.into_iter().chain(numbers));
    for Fared { solver, ended } in all {
        let mut cells = vec![Cell::text(solver)];
        match ended {
            Ended::Refused { .. } => cells.push(Cell::text("refused")),
            Ended::Answered { outcome, last, peak_bytes, shown, .. } => {
                cells.extend([
                    Cell::text(words(*outcome)),
                    number(last.objective),
                    number(last.residual),
                    Cell::Count(last.steps as u64),
                    Cell::Seconds(last.seconds),
                    peak_bytes.map_or(Cell::Missing, Cell::Bytes),
                ]);
                cells.extend(shown.iter().map(|&(_, value)| number(value)));
            }
        }
        table.row(cells);
    }
    page.table(table);
    for Fared { solver, ended } in all {
        let note = match ended {
            Ended::Refused { error } => Some((Level::Note, format!("{solver}: {error}"))),
            Ended::Answered { warning, .. } => warning.clone().map(|warning| (Level::Warning, warning)),
        };
        if let Some((level, text)) = note {
            page.note(level, text);
        }
    }
    page
}

/// The page with the convergence of all solvers over time.
fn plotted(mut page: Page, all: &[Fared]) -> Page {
    let mut lines = Lines::new("Residual over time", Axis::log("seconds"), Axis::log("residual"));
    for Fared { solver, ended } in all {
        if let Ended::Answered { trace, .. } = ended {
            let points = trace.iter().map(|progress| (progress.seconds, progress.residual));
            let style = if trace.len() == 1 { Style::Points } else { Style::Line };
            lines = lines.series(Series::new(solver, points).style(style));
        }
    }
    page.section("Convergence").plot(lines);
    page
}
