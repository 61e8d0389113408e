//! How a solver ends, and what it tells on the way.

use serde::Serialize;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// Steps at most.
    pub steps: usize,
    /// The residual that is small enough; what a residual is, the question says.
    pub tolerance: f64,
}

/// What was measured after a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The step, from 1.
    pub step: usize,
    /// What the solver minimises, or maximises, at its iterate.
    pub objective: f64,
    /// How far the iterate is from a solution, in the question's measure.
    pub residual: f64,
    /// Seconds since the start; measured, and used for nothing.
    pub seconds: f64,
}

/// How a solver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The residual is within the tolerance.
    Converged,
    /// The steps ran out before that.
    StepLimit,
    /// No step improves the iterate any more, and the residual is above the tolerance.
    Stalled,
    /// The caller broke it off; the solution is the best that was found, or what there was to start from.
    Interrupted,
    /// The iterate has become infinite or not a number; the solution is the last finite one, or one before that is better.
    NotFinite,
}

impl Outcome {
    /// What to do about it; `None` where nothing is to be done.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Converged => None,
            Self::StepLimit => {
                Some("allow more steps, ask for a larger tolerance, or take another solver of the question")
            }
            Self::Stalled => {
                Some("the tolerance may be below what rounding allows here: ask for a larger one")
            }
            Self::Interrupted => Some("start again from the solution that was returned"),
            Self::NotFinite => Some(
                "take a smaller step, a stronger regularisation, or scale the problem to magnitudes near one",
            ),
        }
    }
}

/// What a solver returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<S> {
    /// The solution, or the best that was found.
    pub solution: S,
    /// How it ended.
    pub outcome: Outcome,
    /// What was measured, step by step, and at last at the solution, which may be an iterate before; a direct solver has one
    /// entry.
    pub trace: Vec<Progress>,
    /// Seconds of the whole.
    pub seconds: f64,
}

impl<S> Report<S> {
    /// The last that was measured: at the solution.
    pub fn last(&self) -> Option<&Progress> {
        self.trace.last()
    }

    /// The same report of another form of the solution.
    pub fn map<T>(self, form: impl FnOnce(S) -> T) -> Report<T> {
        Report {
            solution: form(self.solution),
            outcome: self.outcome,
            trace: self.trace,
            seconds: self.seconds,
        }
    }
}
