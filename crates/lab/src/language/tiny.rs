//! A tiny language model of the llama family: two blocks, trained here on texts of a [`Grammar`](super::Grammar).

use super::{Held, grammar::TOKENS};
use crate::Result;
use rankine_checkpoint::Config;
use rankine_data::Batches;
use rankine_nn::{
    LanguageModel,
    models::{Storage, load},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_train::{Schedule, Shape};
use std::path::Path;

/// Standard deviation of the weights at the start.
const DEVIATION: f32 = 0.05;

/// Highest learning rate.
const RATE: f32 = 4e-3;

/// Steps of rising.
const WARMUP: usize = 20;

/// How it is built and trained.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Tiny {
    /// Width of the stream, a multiple of 8; the MLP is twice as wide.
    pub hidden: usize,
    /// Factors of norms start as e^(spread·z), z standard normal: 0 starts them at 1. What layers see of large models has
    /// columns of very different sizes; so few steps do not get there from equal ones.
    pub spread: f32,
    /// Steps on texts.
    pub steps: usize,
}

/// A trained one.
#[derive(Clone, Debug)]
pub(crate) struct Trained {
    config: Config,
    weights: Held,
}

impl Trained {
    /// All weights frozen.
    pub fn load(&self) -> Result<Box<dyn LanguageModel>> {
        Ok(load(&self.config, &self.weights, Storage::F32)?)
    }
}

impl Tiny {
    /// All weights trained on the texts, the learning rate falling to 0.
    pub fn trained(&self, texts: &Batches, seed: u64) -> Result<Trained> {
        let Trained { config, weights } = self.start(seed)?;
        let mut model = load(&config, &weights, Storage::F32)?;
        for parameter in model.parameters_mut() {
            let value = parameter.weight.dense()?;
            parameter.weight = Box::new(Dense::trained(&value));
        }
        let warmup = WARMUP.min(self.steps / 2);
        let schedule = Schedule { learning_rate: RATE, warmup, steps: self.steps, shape: Shape::Cosine };
        super::follow(model.as_mut(), texts, schedule, &|_| false)?;
        Ok(Trained { config, weights: Held::of(model.as_ref(), &|_| true)? })
    }

    /// Before its training.
    pub fn start(&self, seed: u64) -> Result<Trained> {
        let (config, rng) = (self.config()?, Rng::new(seed).fork("tiny"));
        let mut weights = Held::default();
        for (name, shape) in config.tensors() {
            let (count, mut rng) = (shape.iter().product(), rng.fork(&name));
            let values = match shape.as_slice() {
                [_] => rng.normals(count, self.spread).into_iter().map(f32::exp).collect(),
                _ => rng.normals(count, DEVIATION),
            };
            weights.insert(&name, &shape, values);
        }
        Ok(Trained { config, weights })
    }

    fn config(&self) -> Result<Config> {
        let json = serde_json::json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": TOKENS,
            "hidden_size": self.hidden,
            "intermediate_size": 2 * self.hidden,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "hidden_act": "silu",
            "max_position_embeddings": 64,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "tie_word_embeddings": true,
        });
        Ok(Config::parse(Path::new("a tiny model"), json, None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Grammar, linear_modules, nll};
    use rankine_data::Batching;

    #[test]
    fn it_learns_a_grammar() {
        let rng = Rng::new(3);
        let grammar = Grammar::new(&rng);
        let texts =
            |count, name| Batches::new(grammar.texts(count, &rng.fork(name)), Batching::Examples(16), 0);
        let (train, held_out) = (texts(200, "train").unwrap(), texts(20, "held out").unwrap());
        let tiny = Tiny { hidden: 32, spread: 0.3, steps: 60 };
        let nll = |trained: Trained| nll(trained.load().unwrap().as_ref(), &held_out).unwrap();
        let (before, after) = (nll(tiny.start(1).unwrap()), nll(tiny.trained(&train, 1).unwrap()));
        assert!((before - 16f64.ln()).abs() < 0.2 && after < before - 0.1, "{before} {after}");
        assert_eq!(linear_modules(tiny.start(1).unwrap().load().unwrap().as_ref()).len(), 14);
    }
}
