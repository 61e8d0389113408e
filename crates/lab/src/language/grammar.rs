//! Texts of a random grammar, which a tiny model can learn and which asks something of all its layers:
//!
//!     p(next | last two tokens) = 0.8, 0.15, 0.05 for three tokens that were drawn for this pair        of 16 tokens
//!
//! The first two tokens are drawn freely and are not to be learnt. No model predicts better than with a mean −ln p of 0.61.

use rankine_data::Example;
use rankine_random::Rng;

/// Tokens in all.
pub(super) const TOKENS: usize = 16;

/// Tokens of a text.
const LENGTH: usize = 32;

/// From where on in [0, 1) the second and the third successor are said.
const BOUNDS: [f32; 2] = [0.8, 0.95];

/// What follows what.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grammar {
    /// Successors of every pair of tokens, the most probable first; [256].
    successors: Vec<[u32; 3]>,
}

impl Grammar {
    /// How many pairs of tokens there are.
    pub const PAIRS: usize = TOKENS * TOKENS;

    pub fn new(rng: &Rng) -> Self {
        Self { successors: (0..Self::PAIRS).map(|pair| drawn(pair, rng)).collect() }
    }

    /// The same but for so many pairs, whose successors are drawn anew.
    pub fn changed(&self, pairs: usize, rng: &Rng) -> Self {
        let mut order: Vec<usize> = (0..Self::PAIRS).collect();
        rng.fork("changed").shuffle(&mut order);
        let mut changed = self.clone();
        for pair in order.into_iter().take(pairs) {
            changed.successors[pair] = drawn(pair, rng);
        }
        changed
    }

    pub fn texts(&self, count: usize, rng: &Rng) -> Vec<Example> {
        (0..count).map(|index| self.text(index + 1, rng.fork_index("text", index))).collect()
    }

    fn text(&self, source: usize, mut rng: Rng) -> Example {
        let mut pair = [rng.below(TOKENS), rng.below(TOKENS)];
        let mut tokens = pair.map(|token| token as u32).to_vec();
        for _ in tokens.len()..LENGTH {
            let [before, last] = pair;
            let drawn = rng.uniform();
            let place = BOUNDS.iter().filter(|bound| **bound <= drawn).count();
            let next = self.successors[before * TOKENS + last][place];
            tokens.push(next);
            pair = [last, next as usize];
        }
        Example { tokens, answers: (0..LENGTH).map(|place| 2 <= place).collect(), source }
    }
}

fn drawn(pair: usize, rng: &Rng) -> [u32; 3] {
    let mut tokens: [u32; TOKENS] = std::array::from_fn(|token| token as u32);
    rng.fork_index("pair", pair).shuffle(&mut tokens);
    let [first, second, third, ..] = tokens;
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_follow_the_grammar_and_another_one_differs_in_some_pairs() {
        let rng = Rng::new(1);
        let grammar = Grammar::new(&rng);
        let mut places = [0; 3];
        for Example { tokens, answers, .. } in grammar.texts(100, &rng) {
            assert_eq!(
                (tokens.len(), answers.iter().filter(|answer| **answer).count()),
                (LENGTH, LENGTH - 2)
            );
            for said in tokens.windows(3) {
                let successors = grammar.successors[said[0] as usize * TOKENS + said[1] as usize];
                places[successors.iter().position(|token| *token == said[2]).unwrap()] += 1;
            }
        }
        assert!(2_300 < places[0] && places[0] < 2_500 && places[2] < places[1], "{places:?}");
        let other = grammar.changed(40, &Rng::new(2));
        let differ = grammar.successors.iter().zip(&other.successors).filter(|(a, b)| a != b).count();
        assert!(35 < differ && differ <= 40, "{differ}");
    }
}
