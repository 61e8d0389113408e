//! The one loop of all iterative solvers.

use crate::{Error, Outcome, Progress, Pulse, Report, Result, Stop};
use std::ops::ControlFlow;

/// Who is told of every step, and may break off. In the middle of long steps it is told of the last one again, before the first of a
/// step 0 that measured nothing.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + Send + 'a;

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
    /// Objective and residual of what [`Iterate::finish`] would return, where that may be an iterate before this one.
    pub best: Option<[f64; 2]>,
}

impl Step {
    /// A step after which there is another.
    pub fn new(objective: f64, residual: f64) -> Self {
        Self { objective, residual, stalled: false, best: None }
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

    /// Before the first step, from the solution of a problem alike where there is one. Where `pulse` stops, whatever is there by
    /// then: a state that [`finish`](Self::finish) takes.
    ///
    /// # Errors
    /// When a setting or `from` does not fit the problem, which is checked when it is made.
    fn start(&self, problem: &P, from: Option<&Self::Solution>, pulse: &Pulse<'_>) -> Result<Self::State>;

    /// One step. A step that would make the state infinite leaves it as it was and returns a residual that is not finite.
    ///
    /// # Errors
    /// When the problem turns out to have no solution; when `pulse` stops in the middle, the state being one to finish with.
    fn step(&self, problem: &P, state: &mut Self::State, pulse: &Pulse<'_>) -> Result<Step>;

    /// The solution at the state: the iterate, or of a solver whose residual may grow the best one, of which every step tells.
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
        let pulse = Pulse::new(watch);
        let mut state = self.start(problem, from, &pulse)?;
        let (mut trace, mut outcome, mut found) = (Vec::new(), Outcome::StepLimit, None);
        for step in 1..=stop.steps {
            let made = if pulse.is_broken() {
                Err(Error::INTERRUPTED)
            } else {
                self.step(problem, &mut state, &pulse)
            };
            let Step { objective, residual, stalled, best } = match made {
                Err(error) if error.is_interruption() => {
                    outcome = Outcome::Interrupted;
                    break;
                }
                made => made?,
            };
            let progress = Progress { step, objective, residual, seconds: pulse.seconds() };
            trace.push(progress);
            found = best;
            let least = best.map_or(residual, |[_, residual]| residual);
            let ended = match residual {
                _ if least <= stop.tolerance => Some(Outcome::Converged),
                _ if !residual.is_finite() => Some(Outcome::NotFinite),
                _ if stalled => Some(Outcome::Stalled),
                _ => None,
            };
            let broken = (!pulse.tell(progress)).then_some(Outcome::Interrupted);
            if let Some(ended) = ended.or(broken) {
                outcome = ended;
                break;
            }
        }
        let solution = self.finish(problem, state)?;
        if let (Some([objective, residual]), Some(last)) = (found, trace.last_mut()) {
            *last = Progress { objective, residual, ..*last };
        }
        Ok(Report { solution, outcome, trace, seconds: pulse.seconds() })
    }
}

/// The report of a solver without steps: `answer` gives the solution with its objective and residual, and where the watch breaks it
/// off, `instead` does: what there was to start from.
///
/// # Errors
/// Those of both.
pub(crate) fn direct<S>(
    stop: Stop,
    watch: &mut Watch<'_>,
    answer: impl FnOnce(&Pulse<'_>) -> Result<(S, Step)>,
    instead: impl FnOnce() -> Result<(S, Step)>,
) -> Result<Report<S>> {
    let pulse = Pulse::new(watch);
    let (found, broken) = match answer(&pulse) {
        Err(error) if error.is_interruption() => (instead()?, true),
        found => (found?, false),
    };
    let (solution, Step { objective, residual, .. }) = found;
    let seconds = pulse.seconds();
    let progress = Progress { step: 1, objective, residual, seconds };
    if !broken {
        pulse.tell(progress);
    }
    let outcome = match residual {
        _ if broken => Outcome::Interrupted,
        _ if !residual.is_finite() => Outcome::NotFinite,
        _ if residual <= stop.tolerance => Outcome::Converged,
        _ => Outcome::Stalled,
    };
    Ok(Report { solution, outcome, trace: vec![progress], seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_solver_that_is_broken_off_answers_with_what_there_was() {
        let stop = Stop { steps: 1, tolerance: 0.5 };
        let answer = |pulse: &Pulse<'_>| {
            while pulse.beats() {
                std::hint::spin_loop();
            }
            pulse.check().map(|()| ("found", Step::new(0.0, 0.0)))
        };
        let instead = || Ok(("start", Step::new(3.0, 0.1)));
        let mut watch = |_: &Progress| ControlFlow::Break(());
        let report = direct(stop, &mut watch, answer, instead).unwrap();
        assert_eq!((report.solution, report.outcome), ("start", Outcome::Interrupted));
        // Broken off after the answer, it is one.
        let report = direct(stop, &mut watch, |_| Ok(("found", Step::new(0.0, 0.0))), instead).unwrap();
        assert_eq!((report.solution, report.outcome), ("found", Outcome::Converged));
    }
}
