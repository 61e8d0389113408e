//! How the next token is chosen, and speaking token by token.

use crate::stdout;
use rankine_data::Tokenizer;
use rankine_nn::generate::{Ending, Reading, Request, Sampling};
use rankine_run::Loaded;
use std::time::Instant;

/// How tokens are chosen.
#[derive(clap::Args)]
pub struct SamplingArgs {
    /// Say at most this many tokens
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_tokens: usize,
    /// Divide the scores by this before drawing; 0 always takes the most probable token
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    temperature: f32,
    /// Draw from the most probable tokens that together have this probability
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Draw from this many most probable tokens; 0 means all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Make tokens that occurred less probable; 1 means no penalty
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    repetition_penalty: f32,
    /// Seed of the draws: the same seed gives the same text
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    /// The settings, checked; `turn` gives every answer of a conversation draws of its own.
    pub fn sampling(&self, turn: u64) -> anyhow::Result<Sampling> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed.wrapping_add(turn),
        };
        sampling.check()?;
        Ok(sampling)
    }

    /// At most this many new tokens.
    pub fn limit(&self) -> usize {
        self.max_tokens
    }
}

/// What a model said.
pub struct Speech {
    /// The text, special tokens left out.
    pub text: String,
    /// New tokens.
    pub tokens: usize,
    /// Why it ended.
    pub ending: Ending,
    /// Time it took, the reading of the prompt included.
    pub seconds: f64,
}

/// Where spoken text goes, piece by piece.
pub struct Speaker<'a> {
    /// The model.
    pub loaded: &'a Loaded,
    /// Whether pieces go to stdout as they come.
    pub aloud: bool,
    /// Asked before every token whether to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl Speaker<'_> {
    /// Continues `prompt`, of which `reading` may have read a part.
    pub fn speak(
        &self,
        reading: &mut Reading,
        prompt: &[u32],
        limit: usize,
        sampling: &Sampling,
    ) -> anyhow::Result<Speech> {
        let tokenizer: &Tokenizer = &self.loaded.tokenizer;
        let start = Instant::now();
        let mut stream = tokenizer.stream();
        let (mut text, mut tokens, mut fault) = (String::new(), 0, None);
        let request = Request { prompt, limit, stops: tokenizer.eos_ids(), sampling };
        let ending = reading.generate(self.loaded.model.as_ref(), &request, &mut |token| {
            tokens += 1;
            if let Some(piece) = stream.push(token) {
                text += &piece;
                fault = self.say(&piece).err();
            }
            fault.is_none() && !(self.interrupted)()
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if let Some(rest) = stream.finish() {
            self.say(&rest)?;
            text += &rest;
        }
        Ok(Speech { text, tokens, ending, seconds: start.elapsed().as_secs_f64() })
    }

    fn say(&self, piece: &str) -> anyhow::Result<()> {
        if self.aloud { stdout::write(piece) } else { Ok(()) }
    }
}
