//! What the command line must know of a question, and the one way in which all of them are answered.

use super::options::{self, Options, Watching};
use super::show::Answer;
use super::{compare, files};
use crate::errors::Failure;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_solve::{Outcome, Solvers};
use std::path::{Path, PathBuf};

/// Numbers with their names: what is measured of a solution.
pub type Facts = Vec<(&'static str, f64)>;

/// The problem that the solvers of a question take.
pub type Problem<Q> = <<Q as Question>::Solvers as Solvers>::Problem;

/// The solution that they find.
pub type Solution<Q> = <<Q as Question>::Solvers as Solvers>::Solution;

/// A problem and what else is known of it.
pub struct Posed<Q: Question> {
    pub problem: Problem<Q>,
    pub known: Q::Known,
}

/// A question: its arguments, and what becomes of them.
pub trait Question: clap::Args {
    /// Those that answer it.
    type Solvers: Solvers;
    /// What is known of a problem beside what its solvers are told.
    type Known;
    /// Its word on the command line.
    const NAME: &'static str;
    /// Endings of the files that answers are written to.
    const ENDINGS: &'static [&'static str];
    /// Whether there is anything to start from: [`start`](Self::start).
    const STARTS: bool = true;

    /// The solver where none is named.
    fn solver(&self) -> &'static str;

    /// The residual that is small enough where none is given; `None` leaves it to the solver.
    fn tolerance(_: &Self::Solvers) -> Option<f64> {
        None
    }

    /// The files that it reads, which nothing is written over.
    fn inputs(&self) -> Vec<PathBuf>;

    /// Reads the files, or draws the problem.
    fn pose(&self) -> Result<Posed<Self>>;

    /// Settles what the files leave open, where that takes time.
    fn settle(&self, posed: Posed<Self>, _: &Watching<'_>) -> Result<Posed<Self>> {
        Ok(posed)
    }

    /// A solution to start from, of a file as [`write`](Self::write) makes it. What does not fit in it is kept in what is known of
    /// the problem, for [`warning`](Self::warning).
    fn start(&self, _: &mut Posed<Self>, path: &Path) -> Result<Solution<Self>> {
        let message = format!("nothing of this question is started from `{}`", path.display());
        Err(Failure::with_hint(message, "leave `--start` out").into())
    }

    /// The problem in words, as this solver takes it; without one, as it is posed.
    fn lead(&self, posed: &Posed<Self>, solver: Option<&Self::Solvers>) -> String;

    /// What is measured of a solution, beside objective and residual.
    fn facts(&self, posed: &Posed<Self>, solution: &Solution<Self>) -> Facts;

    /// Whether nothing is left to be done.
    fn is_good(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Converged
    }

    /// What may be wrong with a problem, though it is solved.
    fn warning(&self, _: &Posed<Self>) -> Option<String> {
        None
    }

    /// Which of the question's own settings a solver leaves out, though they were given.
    fn left_out(&self, _: &Self::Solvers) -> Option<String> {
        None
    }

    /// What a good outcome means, where that is not plain.
    fn note(&self, _: Outcome) -> Option<&'static str> {
        None
    }

    /// What to do about an outcome that is not good, where that is more than what is said of every question.
    fn remedy(&self, _: Outcome) -> Option<&'static str> {
        None
    }

    /// Writes the solution; the ending of the path is one of [`ENDINGS`](Self::ENDINGS).
    fn write(&self, posed: &Posed<Self>, solution: &Solution<Self>, path: &Path) -> Result<()>;
}

// The help is that of the question: a comment of documentation here would stand in its place.
#[derive(clap::Args)]
#[command(mut_arg("start", |argument| argument.hide(!Q::STARTS)))]
pub struct Asked<Q: Question> {
    #[command(flatten)]
    question: Q,
    #[command(flatten)]
    options: Options,
}

impl<Q: Question> Asked<Q> {
    /// Answers the question.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        let Self { question, options } = self;
        if let Some(path) = &options.output {
            check_ending::<Q>(path)?;
        }
        let read = question.inputs().into_iter().chain(options.start.clone()).collect();
        let file = options.pages.apart(options.output.as_deref(), read)?;
        let name = options.solver.as_deref().unwrap_or(question.solver());
        let choice: Q::Solvers = options::choose(name, &options.changes)?;
        let stop = options.limits.stop(&choice, Q::tolerance(&choice))?;
        let posed = question.pose()?;
        let watching = Watching::new(context, &options.limits);
        let mut posed = question.settle(posed, &watching)?;
        let from = options.start.as_deref().map(|path| question.start(&mut posed, path)).transpose()?;
        // Files in another type or order left copies behind.
        rankine_kernels::memory::give_back();
        let report = watching.solve(&choice, &posed.problem, from.as_ref(), stop)?;
        if let Some(path) = &options.output {
            question.write(&posed, &report.solution, path)?;
        }
        let answer = Answer {
            question: Q::NAME,
            lead: question.lead(&posed, Some(&choice)),
            solver: &choice,
            good: question.is_good(report.outcome),
            warning: together([question.warning(&posed), question.left_out(&choice)]),
            note: question.note(report.outcome),
            own_remedy: question.remedy(report.outcome),
            facts: question.facts(&posed, &report.solution),
            report: report.map(drop),
            output: options.output.as_deref(),
        };
        if options.pages.html.is_some() {
            let page = answer.full_page()?;
            file.write(|| page)?;
        }
        match options.pages.json {
            true => context.show_json(&answer.json())?,
            false => context.show(&answer.page())?,
        }
        Ok(if answer.good { Exit::Done } else { Exit::CheckFailed })
    }
}

// Likewise.
#[derive(clap::Args)]
#[command(after_help = options::help::<Q::Solvers>(""))]
pub struct Compared<Q: Question> {
    #[command(flatten)]
    question: Q,
    #[command(flatten)]
    comparison: compare::Comparison,
}

impl<Q: Question> Compared<Q> {
    /// Has all solvers answer the question.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        self.comparison.run(context, &self.question)
    }
}

/// What there is to warn of, in one.
pub fn together(warnings: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let all: Vec<String> = warnings.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Refuses an output before any work is done for it.
fn check_ending<Q: Question>(path: &Path) -> Result<()> {
    if Q::ENDINGS.contains(&files::ending(path).as_str()) {
        return Ok(());
    }
    let message = format!("the ending of `{}` does not say how to write the answer", path.display());
    let endings: Vec<String> = Q::ENDINGS.iter().map(|ending| format!("`.{ending}`")).collect();
    Err(Failure::with_hint(message, format!("end it with {}", endings.join(" or "))).into())
}
