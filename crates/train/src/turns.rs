//! Two groups of leaves that are trained in turn, each on data of its own: bilevel optimisation of first order.
//!
//!     steps 1 … w      the lower group, ahead
//!     step w + 2k − 1  the lower group, its turn w + k, on batch w + k of the lower data
//!     step w + 2k      the upper group, its turn k, on batch k of the upper data
//!
//! A turn is one step of the loop; the other group stays where it is, and its gradient is not used. What a step does is a
//! function of its number, as everywhere.

use crate::{Feed, Optimizer};
use rankine_data::{Batches, Sample};
use rankine_nn::Place;
use rankine_tensor::Var;

/// The order of the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// w: steps of the lower group before the first of the upper one.
    pub warmup: usize,
}

/// Whose turn it is, and which one of its turns, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The lower group: what is trained for given upper variables.
    Lower(usize),
    /// The upper group.
    Upper(usize),
}

impl Turns {
    /// Whose turn a step is; steps count from 1.
    pub fn at(self, step: usize) -> Turn {
        match step.saturating_sub(self.warmup) {
            0 => Turn::Lower(step),
            after if after.is_multiple_of(2) => Turn::Upper(after / 2),
            after => Turn::Lower(self.warmup + after.div_ceil(2)),
        }
    }

    /// Steps in all in which the lower group has `turns` turns, the last one followed by one of the upper group.
    pub fn steps(self, turns: usize) -> usize {
        turns + turns.saturating_sub(self.warmup)
    }
}

/// An optimizer that moves the group whose turn it is.
#[derive(Clone, Debug)]
pub struct InTurn<O> {
    /// Moves the variables; it counts a group's own turns as steps.
    pub inner: O,
    /// The order.
    pub turns: Turns,
    /// Which leaves are the upper group.
    pub is_upper: fn(&Place) -> bool,
    /// Learning rate of the upper group; that of the lower one is the loop's.
    pub upper_rate: f32,
}

impl<O: Optimizer> Optimizer for InTurn<O> {
    fn update(&mut self, place: &Place, variable: &mut Var, gradient: &[f32], step: u64, learning_rate: f32) {
        let (turn, rate) = match (self.turns.at(step as usize), (self.is_upper)(place)) {
            (Turn::Lower(turn), false) => (turn, learning_rate),
            (Turn::Upper(turn), true) => (turn, self.upper_rate),
            _ => return,
        };
        self.inner.update(place, variable, gradient, turn as u64, rate);
    }

    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)> {
        self.inner.memory()
    }
}

/// The batches of both groups in the order of their turns.
#[derive(Debug)]
pub struct Alternating<'a, S> {
    /// For the lower group.
    pub lower: &'a Batches<S>,
    /// For the upper group.
    pub upper: &'a Batches<S>,
    /// The order.
    pub turns: Turns,
    /// Batches a step.
    pub accumulation: usize,
}

impl<S: Sample> Feed<S> for Alternating<'_, S> {
    fn get(&self, number: usize) -> S::Batch {
        let together = self.accumulation.max(1);
        let (step, part) = (number / together + 1, number % together);
        let (batches, turn) = match self.turns.at(step) {
            Turn::Lower(turn) => (self.lower, turn),
            Turn::Upper(turn) => (self.upper, turn),
        };
        batches.get((turn - 1) * together + part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_group_goes_ahead_and_then_they_take_turns() {
        use Turn::{Lower, Upper};
        let turns = Turns { warmup: 2 };
        let order: Vec<Turn> = (1..=turns.steps(5)).map(|step| turns.at(step)).collect();
        assert_eq!(order, [Lower(1), Lower(2), Lower(3), Upper(1), Lower(4), Upper(2), Lower(5), Upper(3)]);
        let at_once = Turns { warmup: 0 };
        assert_eq!([1, 2, 3, 4].map(|step| at_once.at(step)), [Lower(1), Upper(1), Lower(2), Upper(2)]);
        assert_eq!([turns.steps(1), at_once.steps(3)], [1, 6]);
    }
}
