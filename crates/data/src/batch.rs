//! Batches without padding: examples end to end, with the lengths that keep attention inside each.
//!
//! ```text
//! tokens    = example 1 ‖ example 2 ‖ …                         [t]
//! targets_i = tokens_{i+1} where that is to be learnt and belongs to the same example, else IGNORE
//! ```
//!
//! Which examples a step sees is a function of the seed and the step alone, so that a run resumes from the number of
//! the step.

use std::sync::Arc;

use rankine_random::Rng;

use crate::encode::Example;
use crate::error::{Error, Result};
use crate::pack;

/// What batches are made of.
pub trait Sample: Send + Sync + Sized {
    /// What one step sees.
    type Batch;

    /// How long it is, for batches of so many tokens.
    fn length(&self) -> usize;

    /// Lays samples end to end.
    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> Self::Batch
    where
        Self: 'a;
}

/// The target of a position that predicts nothing.
pub const IGNORE: u32 = u32::MAX;

/// What one step sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The examples' tokens end to end; `[t]`.
    pub tokens: Vec<u32>,
    /// The token each position is to predict, or [`IGNORE`]; `[t]`.
    pub targets: Vec<u32>,
    /// The length of each example; they add up to t; `[examples]`.
    pub lengths: Vec<usize>,
    /// The place of each token in its example, from 0; `[t]`.
    pub positions: Vec<u32>,
}

impl Batch {
    /// Lays examples end to end.
    pub fn of<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut batch =
            Self { tokens: Vec::new(), targets: Vec::new(), lengths: Vec::new(), positions: Vec::new() };
        for example in examples {
            let next = example.tokens.iter().zip(&example.answers).skip(1);
            let targets = next.map(|(&token, &answer)| if answer { token } else { IGNORE });
            batch.targets.extend(targets.chain([IGNORE]).take(example.tokens.len()));
            batch.tokens.extend(&example.tokens);
            batch.lengths.push(example.tokens.len());
            batch.positions.extend((0_u32..).take(example.tokens.len()));
        }
        batch
    }

    /// The number of positions that predict something.
    pub fn target_count(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORE).count()
    }
}

impl Sample for Example {
    type Batch = Batch;

    fn length(&self) -> usize {
        self.tokens.len()
    }

    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> Batch {
        Batch::of(samples)
    }
}

/// How many examples go into a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Batching {
    /// So many, drawn anew in every epoch; the last step of an epoch takes what is left.
    Examples(usize),
    /// As many as fit into so many tokens. The groups are packed once, their order is drawn anew in every epoch.
    Tokens(usize),
}

/// The batches of a training run, or of an evaluation.
#[derive(Clone, Debug)]
pub struct Batches<S = Example> {
    examples: Arc<[S]>,
    batching: Batching,
    rng: Rng,
    /// The groups of packed batches; `[step][member]`.
    groups: Vec<Vec<usize>>,
}

impl<S: Sample> Batches<S> {
    /// Batches of these examples.
    ///
    /// # Errors
    /// [`Error::NoExamples`], [`Error::BatchSize`].
    pub fn new(examples: Vec<S>, batching: Batching, seed: u64) -> Result<Self> {
        if examples.is_empty() {
            return Err(Error::NoExamples);
        }
        let rng = Rng::new(seed).fork("batches");
        let groups = match batching {
            Batching::Examples(0) => return Err(Error::BatchSize { unit: "examples" }),
            Batching::Tokens(0) => return Err(Error::BatchSize { unit: "tokens" }),
            Batching::Examples(_) => Vec::new(),
            Batching::Tokens(budget) => {
                pack::first_fit(&lengths(&examples), &shuffled(examples.len(), rng.fork("pack")), budget)
            }
        };
        Ok(Self { examples: examples.into(), batching, rng, groups })
    }

    /// The examples.
    pub fn examples(&self) -> &[S] {
        &self.examples
    }

    /// The steps that see every example once.
    pub fn steps_per_epoch(&self) -> usize {
        match self.batching {
            Batching::Examples(size) => self.examples.len().div_ceil(size),
            Batching::Tokens(_) => self.groups.len(),
        }
    }

    /// The batch of a step, from 0; epochs follow one another for ever.
    pub fn get(&self, step: usize) -> S::Batch {
        let steps = self.steps_per_epoch();
        let (epoch, step) = (step / steps, step % steps);
        let order = |items| shuffled(items, self.rng.fork_index("epoch", epoch));
        match self.batching {
            Batching::Examples(size) => {
                let order = order(self.examples.len());
                self.gather(&order[step * size..self.examples.len().min((step + 1) * size)])
            }
            Batching::Tokens(_) => self.gather(&self.groups[order(steps)[step]]),
        }
    }

    /// Every example once and in order: for evaluation.
    pub fn sequential(&self) -> impl Iterator<Item = S::Batch> {
        let groups = match self.batching {
            Batching::Examples(size) => {
                let all: Vec<usize> = (0..self.examples.len()).collect();
                all.chunks(size).map(<[usize]>::to_vec).collect()
            }
            Batching::Tokens(budget) => pack::next_fit(&lengths(&self.examples), budget),
        };
        groups.into_iter().map(|group| self.gather(&group))
    }

    fn gather(&self, members: &[usize]) -> S::Batch {
        S::batch(members.iter().map(|&index| &self.examples[index]))
    }
}

fn lengths<S: Sample>(examples: &[S]) -> Vec<usize> {
    examples.iter().map(Sample::length).collect()
}

fn shuffled(items: usize, mut rng: Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items).collect();
    rng.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example(source: usize, length: usize) -> Example {
        let tokens = (0..length).map(|place| (source * 1000 + place) as u32).collect();
        Example { tokens, answers: (0..length).map(|place| length / 2 <= place).collect(), source }
    }

    fn sources(batch: &Batch) -> Vec<usize> {
        let starts = batch.positions.iter().zip(&batch.tokens).filter(|(position, _)| **position == 0);
        starts.map(|(_, token)| *token as usize / 1000).collect()
    }

    fn batching() -> impl Strategy<Value = Batching> {
        prop_oneof![(1..9_usize).prop_map(Batching::Examples), (1..60_usize).prop_map(Batching::Tokens)]
    }

    proptest! {
        #[test]
        fn an_epoch_sees_every_example_once(
            lengths in prop::collection::vec(2..20_usize, 1..60), batching in batching(), seed: u64, epoch in 0..3_usize,
        ) {
            let examples: Vec<_> = lengths.iter().enumerate().map(|(source, &length)| example(source, length)).collect();
            let batches = Batches::new(examples, batching, seed).unwrap();
            let steps = batches.steps_per_epoch();
            let mut seen: Vec<_> =
                (0..steps).flat_map(|step| sources(&batches.get(epoch * steps + step))).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            let sequential: Vec<_> = batches.sequential().flat_map(|batch| sources(&batch)).collect();
            prop_assert_eq!(sequential, (0..lengths.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_batch_keeps_to_its_size(
            lengths in prop::collection::vec(2..20_usize, 1..60), batching in batching(), seed: u64,
        ) {
            let examples: Vec<_> = lengths.iter().enumerate().map(|(source, &length)| example(source, length)).collect();
            let batches = Batches::new(examples, batching, seed).unwrap();
            for batch in (0..batches.steps_per_epoch()).map(|step| batches.get(step)).chain(batches.sequential()) {
                prop_assert_eq!(batch.lengths.iter().sum::<usize>(), batch.tokens.len());
                match batching {
                    Batching::Examples(size) => prop_assert!(batch.lengths.len() <= size),
                    Batching::Tokens(budget) => prop_assert!(batch.tokens.len() <= budget || batch.lengths.len() == 1),
                }
            }
        }
    }

    #[test]
    fn a_target_is_the_next_token_of_the_same_example() {
        let examples = [
            Example { tokens: vec![5, 6, 7], answers: vec![true, false, true], source: 1 },
            Example { tokens: vec![8, 9], answers: vec![false, true], source: 2 },
        ];
        let batch = Batch::of(&examples);
        assert_eq!(batch.tokens, [5, 6, 7, 8, 9]);
        assert_eq!(batch.targets, [IGNORE, 7, IGNORE, 9, IGNORE]);
        assert_eq!(batch.lengths, [3, 2]);
        assert_eq!(batch.positions, [0, 1, 2, 0, 1]);
        assert_eq!(batch.target_count(), 2);
    }

    #[test]
    fn a_step_is_the_same_whenever_it_is_asked_for() {
        for batching in [Batching::Examples(4), Batching::Tokens(30)] {
            let examples: Vec<_> = (0..50).map(|source| example(source, 2 + source % 7)).collect();
            let batches = Batches::new(examples.clone(), batching, 3).unwrap();
            let later = batches.get(40);
            batches.get(7);
            assert_eq!(later, batches.get(40));
            assert_eq!(later, Batches::new(examples.clone(), batching, 3).unwrap().get(40));
            let steps = batches.steps_per_epoch();
            let epoch =
                |epoch: usize| (0..steps).map(|step| batches.get(epoch * steps + step)).collect::<Vec<_>>();
            assert_ne!(epoch(0), epoch(1), "epochs are shuffled anew");
        }
    }

    #[test]
    fn packing_wastes_little() {
        let examples: Vec<_> = (0..400).map(|source| example(source, 2 + (source * 37) % 90)).collect();
        let tokens: usize = lengths(&examples).iter().sum();
        let batches = Batches::new(examples, Batching::Tokens(256), 0).unwrap();
        assert!(
            batches.steps_per_epoch() <= tokens.div_ceil(256) + 4,
            "{} groups",
            batches.steps_per_epoch()
        );
    }

    #[test]
    fn nothing_makes_no_batches() {
        assert!(matches!(
            Batches::<Example>::new(Vec::new(), Batching::Examples(1), 0),
            Err(Error::NoExamples)
        ));
        for batching in [Batching::Examples(0), Batching::Tokens(0)] {
            assert!(matches!(Batches::new(vec![example(0, 2)], batching, 0), Err(Error::BatchSize { .. })));
        }
    }
}
