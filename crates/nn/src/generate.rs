//! Continuing a text token by token: greedy, or drawn from the model's distribution after a temperature, a top-k and a
//! top-p cut, with a penalty on what was said before.
//!
//! The order is transformers': repetition penalty, temperature, top-k, top-p. A seed gives the same text byte for byte.

use crate::{Cache, Error, LanguageModel, Result};
use rankine_random::Rng;
use rankine_tensor::Tensor;

/// How the next token is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the scores; 0 takes the most probable token.
    pub temperature: f32,
    /// Only this many most probable tokens; 0 for all.
    pub top_k: usize,
    /// Only the smallest set of most probable tokens that has this probability.
    pub top_p: f32,
    /// Divides positive and multiplies negative scores of tokens that occurred; 1 for none.
    pub repetition_penalty: f32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Refuses settings outside their range.
    pub fn check(&self) -> Result<()> {
        let setting =
            |name, expected, found: f32| Error::Setting { name, expected, found: found.to_string() };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(setting("temperature", "0 or more", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(setting("top_p", "above 0 and at most 1", self.top_p));
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return Err(setting("repetition_penalty", "above 0", self.repetition_penalty));
        }
        Ok(())
    }

    /// The next token from its `scores` [v], after `said`.
    pub fn choose(&self, scores: &mut [f32], said: &[u32], rng: &mut Rng) -> Option<u32> {
        self.penalise(scores, said);
        if self.temperature == 0.0 {
            return greedy(scores);
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let descending = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
        let keep = if self.top_k == 0 { order.len() } else { self.top_k.min(order.len()) };
        if keep < order.len() {
            order.select_nth_unstable_by(keep, descending);
            order.truncate(keep);
        }
        order.sort_unstable_by(descending);
        let top = f64::from(*scores.get(*order.first()?)?);
        let weight = |&token: &usize| ((f64::from(scores[token]) - top) / f64::from(self.temperature)).exp();
        let weights: Vec<f64> = order.iter().map(weight).collect();
        let kept = self.nucleus(&weights);
        let mut left = rng.uniform_f64() * weights[..kept].iter().sum::<f64>();
        let drawn = weights[..kept].iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        order.get(drawn.unwrap_or(kept - 1)).map(|&token| token as u32)
    }

    /// How many of the descending `weights` make up `top_p` of their sum; at least one.
    fn nucleus(&self, weights: &[f64]) -> usize {
        let target = f64::from(self.top_p) * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = weights.iter().position(|weight| {
            sum += weight;
            sum >= target
        });
        reached.map_or(weights.len(), |last| last + 1).max(1)
    }

    fn penalise(&self, scores: &mut [f32], said: &[u32]) {
        if self.repetition_penalty == 1.0 {
            return;
        }
        let mut once = said.to_vec();
        once.sort_unstable();
        once.dedup();
        for token in once {
            if let Some(score) = scores.get_mut(token as usize) {
                *score *=
                    if *score > 0.0 { self.repetition_penalty.recip() } else { self.repetition_penalty };
            }
        }
    }
}

/// The first of the largest scores.
fn greedy(scores: &[f32]) -> Option<u32> {
    let best = scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(token, _)| token as u32)
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model said an ending token.
    Stop,
    /// The limit of new tokens, or of the model's context, was reached.
    Length,
    /// The listener asked to stop.
    Interrupted,
}

/// What is generated, and when it ends.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The text so far.
    pub prompt: &'a [u32],
    /// At most this many new tokens.
    pub limit: usize,
    /// Tokens that end the text (they are not passed on).
    pub stops: &'a [u32],
    /// How tokens are chosen.
    pub sampling: &'a Sampling,
}

/// Continues a text; `listen` gets every new token and answers whether to go on.
pub fn generate(
    model: &dyn LanguageModel,
    request: &Request<'_>,
    listen: &mut dyn FnMut(u32) -> bool,
) -> Result<Ending> {
    Reading::new(model).generate(model, request, listen)
}

/// What a model has read so far. The next text is read from where it parts from this one: a conversation is not read
/// again with every turn.
#[derive(Clone, Debug)]
pub struct Reading {
    tokens: Vec<u32>,
    cache: Cache,
}

impl Reading {
    /// Nothing read yet.
    pub fn new(model: &dyn LanguageModel) -> Self {
        Self { tokens: Vec::new(), cache: model.cache() }
    }

    /// Continues a text, as [`generate`]; `model` is the one that has read so far.
    pub fn generate(
        &mut self,
        model: &dyn LanguageModel,
        request: &Request<'_>,
        listen: &mut dyn FnMut(u32) -> bool,
    ) -> Result<Ending> {
        request.sampling.check()?;
        let mut rng = Rng::new(request.sampling.seed).fork("generate");
        let mut hidden = self.follow(model, request.prompt)?;
        for left in (0..request.limit).rev() {
            let mut scores = model.logits(&hidden)?.to_vec();
            if scores.iter().any(|score| !score.is_finite()) {
                return Err(Error::NotFinite { position: self.tokens.len() });
            }
            let Some(token) = request.sampling.choose(&mut scores, &self.tokens, &mut rng) else {
                return Ok(Ending::Length);
            };
            if request.stops.contains(&token) {
                return Ok(Ending::Stop);
            }
            if !listen(token) {
                return Ok(Ending::Interrupted);
            }
            if left == 0 || self.tokens.len() == model.context() {
                return Ok(Ending::Length);
            }
            hidden = self.read(model, &[token])?;
        }
        Ok(Ending::Length)
    }

    /// Reads `text` from where it parts from what was read; its last token is always read, for the state after it.
    fn follow(&mut self, model: &dyn LanguageModel, text: &[u32]) -> Result<Tensor> {
        let Some(last) = text.len().checked_sub(1) else {
            return Err(Error::Setting {
                name: "prompt",
                expected: "at least one token",
                found: "none".to_owned(),
            });
        };
        let same = self.tokens.iter().zip(&text[..last]).take_while(|(read, next)| read == next).count();
        self.tokens.truncate(same);
        self.cache.truncate(same);
        self.read(model, &text[same..])
    }

    fn read(&mut self, model: &dyn LanguageModel, ids: &[u32]) -> Result<Tensor> {
        let hidden = model.extend(ids, &mut self.cache);
        match hidden {
            Ok(_) => self.tokens.extend_from_slice(ids),
            // Some layers may have read further than others.
            Err(_) => *self = Self::new(model),
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(sampling: &Sampling, scores: &[f32], draws: usize) -> Vec<usize> {
        let mut rng = Rng::new(5);
        let mut counts = vec![0; scores.len()];
        for _ in 0..draws {
            counts[sampling.choose(&mut scores.to_vec(), &[], &mut rng).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn temperature_zero_takes_the_first_of_the_largest() {
        let mut rng = Rng::new(0);
        assert_eq!(Sampling::default().choose(&mut [0.0, 2.0, 2.0], &[], &mut rng), Some(1));
        assert_eq!(Sampling::default().choose(&mut [], &[], &mut rng), None);
    }

    #[test]
    fn draws_follow_the_softmax() {
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        let scores = [0.0, 1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln()];
        let counts = draw(&sampling, &scores, 20_000);
        for (count, share) in counts.iter().zip([1.0 / 9.0, 1.0 / 9.0, 2.0 / 9.0, 5.0 / 9.0]) {
            assert!((*count as f64 / 20_000.0 - share).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn cuts_remove_the_tail() {
        let scores = [3.0, 2.0, 1.0, 0.0];
        let top_k = Sampling { temperature: 1.0, top_k: 2, ..Sampling::default() };
        assert_eq!(draw(&top_k, &scores, 2000)[2..], [0, 0]);
        let top_p = Sampling { temperature: 1.0, top_p: 0.6, ..Sampling::default() };
        assert_eq!(draw(&top_p, &scores, 200), [200, 0, 0, 0]);
    }

    #[test]
    fn the_penalty_is_that_of_transformers() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut scores = [4.0, -1.0, 3.0];
        sampling.choose(&mut scores, &[0, 0, 1], &mut Rng::new(0));
        assert_eq!(scores, [2.0, -2.0, 3.0]);
    }

    #[test]
    fn settings_outside_their_range_are_named() {
        let wrong = Sampling { top_p: 0.0, ..Sampling::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("top_p"));
        let wrong = Sampling { temperature: f32::NAN, ..Sampling::default() };
        assert!(wrong.check().is_err());
    }
}
