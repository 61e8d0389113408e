//! Stochastic gradients, entry by entry: the baseline of recommenders.
//!
//!     e = M_ij − ⟨l_i, r_j⟩        l_i += γ·(e·r_j − λ·l_i),  r_j += γ·(e·l_i − λ·r_j), both from the old ones
//!
//! A step is a pass over all entries in an order of its own; γ = rate·decay^pass/(√k·root mean square of the entries).
//! One thread: the order is part of the result. Cost: 4·|Ω|·k multiply-adds a step.

use super::{Completion, Entry, iterate::Iterand};
use crate::check::{positive, within};
use crate::recovery::vectors::Vectors;
use crate::recovery::{Factors, normal};
use crate::vectors::dot;
use crate::{Iterate, Pulse, Result, Step, Stop};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// Entries between two questions whether to go on.
const ASKED: usize = 1 << 14;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Length of the first steps, in units of the problem; above about 1 they diverge.
    pub rate: f64,
    /// What is left of the rate after a pass.
    pub decay: f64,
    /// Seed of the start and of the order.
    pub seed: u64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { rate: 0.1, decay: 0.995, seed: 0 }
    }
}

/// What it keeps.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate.
    pub iterand: Iterand,
    /// Every known entry.
    order: Vec<Entry>,
    /// γ.
    length: f64,
    rng: Rng,
}

impl Iterate<Completion> for Sgd {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 200, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Completion, from: Option<&Factors>, _: &Pulse<'_>) -> Result<State> {
        positive("rate", self.rate)?;
        within("decay", self.decay, 0.0 < self.decay && self.decay <= 1.0, "above 0 and at most 1")?;
        let (entries, rank) = (problem.entries(), problem.rank());
        let rng = Rng::new(self.seed).fork("recovery/sgd");
        let typical = match (entries.squares() / entries.count() as f64).sqrt() {
            0.0 => 1.0,
            typical => typical,
        };
        let width = (rank as f64).sqrt();
        // Products start a tenth as large as entries are.
        let deviation = (0.1 * typical / width).sqrt();
        let iterand = match from {
            Some(from) => Iterand::from(problem, from)?,
            None => {
                let part = |count, path| Vectors::of(normal(count, rank, deviation, rng.fork(path)).as_ref());
                Iterand::new(part(entries.rows(), "left"), part(entries.columns(), "right"))
            }
        };
        let length = self.rate / (width * typical);
        Ok(State { iterand, order: entries.iter().collect(), length, rng: rng.fork("order") })
    }

    fn step(&self, problem: &Completion, state: &mut State, pulse: &Pulse<'_>) -> Result<Step> {
        state.rng.shuffle(&mut state.order);
        let (mut left, mut right) = (state.iterand.left.clone(), state.iterand.right.clone());
        for entries in state.order.chunks(ASKED) {
            pulse.check()?;
            entries
                .iter()
                .for_each(|entry| pull(entry, state.length, problem.ridge(), &mut left, &mut right));
        }
        state.length *= self.decay;
        if !(left.is_finite() && right.is_finite()) {
            return Ok(Step::new(f64::INFINITY, f64::INFINITY));
        }
        (state.iterand.left, state.iterand.right) = (left, right);
        Ok(state.iterand.measure(problem))
    }

    fn finish(&self, _: &Completion, state: State) -> Result<Factors> {
        Ok(state.iterand.finish())
    }
}

fn pull(entry: &Entry, length: f64, ridge: f64, left: &mut Vectors, right: &mut Vectors) {
    let width = left.width;
    let own = &mut left.data[entry.row * width..][..width];
    let other = &mut right.data[entry.column * width..][..width];
    let error = entry.value - dot(own, other);
    for (l, r) in own.iter_mut().zip(other) {
        let (old, across) = (*l, *r);
        *l += length * (error * across - ridge * old);
        *r += length * (error * old - ridge * across);
    }
}
