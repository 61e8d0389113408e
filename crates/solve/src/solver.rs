//! The one loop of all iterative solvers.

use crate::{Outcome, Progress, Report, Result, Stop};
use std::ops::ControlFlow;
use std::time::Instant;

/// Who is told of every step, and may break off.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// A watch that goes on: `&mut Silent::watch`.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Silent {
    /// Goes on.
    pub fn watch(_: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What is minimised or maximised, at the iterate.
    pub objective: f64,
    /// How far the iterate is from a solution, in the question's measure.
    pub residual: f64,
    /// No step improves the iterate any more.
    pub stalled: bool,
}

impl Step {
    /// A step after which there is another.
    pub fn new(objective: f64, residual: f64) -> Self {
        Self { objective, residual, stalled: false }
    }
}

/// A solver that goes step by step.
pub trait Iterate<P: ?Sized> {
    /// What it keeps between steps.
    type State;
    /// What it finds.
    type Solution;

    /// When it stops unless the caller says otherwise.
    fn stop(&self) -> Stop;

    /// Before the first step, from the solution of a problem alike where there is one.
    ///
    /// # Errors
    /// When a setting or `from` does not fit the problem, which is checked when it is made.
    fn start(&self, problem: &P, from: Option<&Self::Solution>) -> Result<Self::State>;

    /// One step. A step that would make the state infinite leaves it as it was and returns a residual that is not finite.
    ///
    /// # Errors
    /// When the problem turns out to have no solution.
    fn step(&self, problem: &P, state: &mut Self::State) -> Result<Step>;

    /// The solution at the state.
    ///
    /// # Errors
    /// When it cannot be formed.
    fn finish(&self, problem: &P, state: Self::State) -> Result<Self::Solution>;
}

/// A way to answer a question; every [`Iterate`] is one.
pub trait Solve<P: ?Sized> {
    /// What it finds.
    type Solution;

    /// When it stops unless the caller says otherwise.
    fn stop(&self) -> Stop;

    /// Solves the problem, from the solution of a problem alike where there is one and the solver can use it.
    ///
    /// # Errors
    /// When a setting does not fit the problem or it has no solution. Not when the tolerance is not reached.
    fn solve(
        &self,
        problem: &P,
        from: Option<&Self::Solution>,
        stop: Stop,
        watch: &mut Watch<'_>,
    ) -> Result<Report<Self::Solution>>;
}

impl<P: ?Sized, I: Iterate<P>> Solve<P> for I {
    type Solution = I::Solution;

    fn stop(&self) -> Stop {
        Iterate::stop(self)
    }

    fn solve(
        &self,
        problem: &P,
        from: Option<&Self::Solution>,
        stop: Stop,
        watch: &mut Watch<'_>,
    ) -> Result<Report<Self::Solution>> {
        let began = Instant::now();
        let mut state = self.start(problem, from)?;
        let (mut trace, mut outcome) = (Vec::new(), Outcome::StepLimit);
        for step in 1..=stop.steps {
            let Step { objective, residual, stalled } = self.step(problem, &mut state)?;
            let progress = Progress { step, objective, residual, seconds: began.elapsed().as_secs_f64() };
            trace.push(progress);
            let ended = match residual {
                _ if !residual.is_finite() => Some(Outcome::NotFinite),
                _ if residual <= stop.tolerance => Some(Outcome::Converged),
                _ if stalled => Some(Outcome::Stalled),
                _ => None,
            };
            let broken = watch(&progress).is_break().then_some(Outcome::Interrupted);
            if let Some(ended) = ended.or(broken) {
                outcome = ended;
                break;
            }
        }
        let solution = self.finish(problem, state)?;
        Ok(Report { solution, outcome, trace, seconds: began.elapsed().as_secs_f64() })
    }
}

/// The report of a solver without steps: `answer` gives the solution with its objective and residual.
///
/// # Errors
/// Those of `answer`.
pub(crate) fn direct<S>(
    stop: Stop,
    watch: &mut Watch<'_>,
    answer: impl FnOnce() -> Result<(S, Step)>,
) -> Result<Report<S>> {
    let began = Instant::now();
    let (solution, Step { objective, residual, .. }) = answer()?;
    let seconds = began.elapsed().as_secs_f64();
    let progress = Progress { step: 1, objective, residual, seconds };
    let _ = watch(&progress);
    let outcome = match residual {
        _ if !residual.is_finite() => Outcome::NotFinite,
        _ if residual <= stop.tolerance => Outcome::Converged,
        _ => Outcome::Stalled,
    };
    Ok(Report { solution, outcome, trace: vec![progress], seconds })
}
