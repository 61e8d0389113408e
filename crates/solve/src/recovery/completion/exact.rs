//! Alternating least squares by normal equations: the baseline, at |Ω|·k² + (rows + columns)·k³ multiply-adds a round.
//!
//! [`super::alternating`] with exact solves. With a ridge it is weighted-λ ALS, the one of Spark's `ALS`; the sum of squares
//! with the penalty never grows.

use super::alternating::{Alternating, State};
use super::{Completion, Regression};
use crate::recovery::Factors;
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exact {
    /// Seed of the start.
    pub seed: u64,
}

impl Exact {
    fn alternating(&self) -> Alternating {
        Alternating { regression: Regression::Exact, clip: None, split: None, seed: self.seed }
    }
}

impl Iterate<Completion> for Exact {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Iterate::stop(&self.alternating())
    }

    fn start(&self, problem: &Completion, from: Option<&Factors>, pulse: &Pulse<'_>) -> Result<State> {
        self.alternating().start(problem, from, pulse)
    }

    fn step(&self, problem: &Completion, state: &mut State, pulse: &Pulse<'_>) -> Result<Step> {
        self.alternating().step(problem, state, pulse)
    }

    fn finish(&self, problem: &Completion, state: State) -> Result<Factors> {
        self.alternating().finish(problem, state)
    }
}
