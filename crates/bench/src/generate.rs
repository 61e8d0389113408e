//! Greedy generation, one text at a time.
//!
//! Every token reads every weight once, so the limit is the memory: the share is of the rate at which this machine reads
//! a block of memory, measured in the same run.

use crate::{
    Result,
    figure::{Figure, median},
    machine, subject,
};
use rankine_nn::{
    Model as _,
    generate::{Request, Sampling, generate},
    models::{Llama, Storage},
};
use std::time::Instant;

const ROUNDS: usize = 5;
const PROMPT: u32 = 32;
const TOKENS: usize = 64;

/// Tokens a second by type of the weights.
pub fn run() -> Result<Vec<Figure>> {
    let limit = machine::read_rate();
    let mut figures = Vec::new();
    for (name, storage) in
        [("f32", Storage::F32), ("bf16", Storage::Bf16), ("type of the file", Storage::File)]
    {
        let model = subject::model(storage)?;
        let mut seconds = (0..ROUNDS).map(|_| token_seconds(&model)).collect::<Result<Vec<f64>>>()?;
        let (median, bytes) = (median(&mut seconds), weight_bytes(&model));
        let speed = Figure::new(format!("greedy, {name}"), 1.0 / median, "tokens/s");
        figures.push(speed.of(bytes as f64 / median / limit, "the rate of reading memory"));
        figures.push(Figure::new(format!("weights read for a token, {name}"), bytes as f64 / 1e6, "MB"));
    }
    Ok(figures)
}

/// Seconds between two tokens.
fn token_seconds(model: &Llama) -> Result<f64> {
    let prompt: Vec<u32> = (0..PROMPT).map(|at| 100 + at * 7).collect();
    let sampling = Sampling::default();
    let request = Request { prompt: &prompt, limit: TOKENS, stops: &[], sampling: &sampling };
    let mut times = Vec::new();
    generate(model, &request, &mut |_| {
        times.push(Instant::now());
        true
    })?;
    Ok((times[times.len() - 1] - times[0]).as_secs_f64() / (times.len() - 1) as f64)
}

/// Bytes of all weights that a token meets: every one but the embedding table where the head has its own.
fn weight_bytes(model: &Llama) -> usize {
    let parameters = model.parameters();
    let separate = parameters.iter().any(|parameter| parameter.path() == "lm_head.weight");
    let met = parameters.iter().filter(|p| !(separate && p.path() == "model.embed_tokens.weight"));
    met.map(|parameter| parameter.weight.constant().map_or(0, |weight| weight.bytes())).sum()
}
