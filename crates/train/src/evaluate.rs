//! How well a model predicts held-out answers.

use crate::{Measured, Result};
use rankine_data::Batch;
use rankine_nn::{LanguageModel, Pass, Tokens};
use rankine_tensor::{ops, untaped};
use serde::Serialize;

/// Mean negative log-likelihood and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Mean −ln p(token) over the scored tokens.
    pub nll: f64,
    /// e^nll.
    pub perplexity: f64,
    /// Share of scored tokens that the model would have said itself.
    pub accuracy: f64,
    /// How many tokens were scored.
    pub tokens: usize,
    /// The same, example by example.
    pub examples: Vec<ExampleScore>,
}

/// One example's share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ExampleScore {
    /// Mean −ln p(token).
    pub nll: f64,
    /// Share of tokens that the model would have said itself.
    pub accuracy: f64,
    /// How many tokens were scored.
    pub tokens: usize,
}

impl Measured for Score {
    fn nll(&self) -> f64 {
        self.nll
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("perplexity", self.perplexity), ("accuracy", self.accuracy)]
    }

    fn scored(&self) -> usize {
        self.tokens
    }
}

/// Scores batches off the tape; `watch` is told how many examples are done.
pub fn evaluate(
    model: &dyn LanguageModel,
    batches: &mut dyn Iterator<Item = Batch>,
    watch: &mut dyn FnMut(usize),
) -> Result<Score> {
    let mut score = Score::default();
    let (mut sum, mut correct) = (0.0, 0.0);
    for batch in batches {
        let tokens = Tokens::packed(&batch.tokens, &batch.lengths);
        let hidden = untaped(|| model.hidden(&tokens, &mut Pass::quiet()))?;
        let scored = untaped(|| model.head().weight.score(&hidden, &batch.targets))?;
        let mut start = 0;
        for &length in &batch.lengths {
            let example = example(&batch.targets[start..][..length], &scored, start);
            start += length;
            sum += example.nll * example.tokens as f64;
            correct += example.accuracy * example.tokens as f64;
            score.tokens += example.tokens;
            score.examples.push(example);
        }
        watch(score.examples.len());
    }
    let tokens = score.tokens.max(1) as f64;
    (score.nll, score.accuracy) = (sum / tokens, correct / tokens);
    score.perplexity = score.nll.exp();
    Ok(score)
}

fn example(targets: &[u32], scored: &ops::Scored, start: usize) -> ExampleScore {
    let live = targets.iter().enumerate().filter(|&(_, &target)| target != ops::IGNORED);
    let (mut nll, mut correct, mut tokens) = (0.0, 0, 0);
    for (row, &target) in live {
        nll += f64::from(scored.losses[start + row]);
        correct += usize::from(scored.greedy[start + row] == target);
        tokens += 1;
    }
    let count = f64::from(tokens.max(1) as u32);
    ExampleScore { nll: nll / count, accuracy: correct as f64 / count, tokens }
}
