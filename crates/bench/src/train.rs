//! Training steps: forward, backward, clipping and AdamW on two examples of 256 tokens, all of them learnt.
//!
//! The share is of the rate of products in f32, measured in the same run; only the products with whole weights count.

use crate::{
    Result,
    figure::{Figure, median},
    machine, subject,
};
use rankine_data::{Batches, Batching, Example};
use rankine_method::{attach, lora::Lora};
use rankine_nn::{
    Model as _,
    models::{Llama, Storage},
    weight,
};
use rankine_random::Rng;
use rankine_train::{AdamW, Data, Event, NextToken, Plan, Schedule, Shape, run};
use std::{ops::ControlFlow, time::Instant};

/// Tokens of an example.
const LENGTH: usize = 256;
/// Steps that are measured, after one that is not.
const STEPS: usize = 9;

/// LoRA on every linear layer, weights in f32.
pub fn lora() -> Result<Vec<Figure>> {
    low_rank(Storage::F32, LENGTH, 16)
}

/// The same, weights rounded to bf16.
pub fn lora_bf16() -> Result<Vec<Figure>> {
    low_rank(Storage::Bf16, LENGTH, 16)
}

/// The same, weights as the file has them.
pub fn lora_file() -> Result<Vec<Figure>> {
    low_rank(Storage::File, LENGTH, 16)
}

/// A step of LoRA on two examples of `length` tokens.
pub fn low_rank(storage: Storage, length: usize, rank: usize) -> Result<Vec<Figure>> {
    let mut model = subject::model(storage)?;
    let weights = subject::linear(&model);
    let modules: Vec<String> = weights.iter().map(|(module, _)| module.clone()).collect();
    let method = Lora { rank, ..Lora::default() };
    attach(&mut model, &method, &modules, &Rng::new(0), &mut |_, _| {})?;
    machine::forget_peak()?;
    // Forward, and dx: two products with every frozen weight; the head's loss costs two with the embedding.
    let numbers = weights.iter().map(|(_, size)| size).sum::<usize>() + subject::VOCABULARY * subject::WIDTH;
    measure(&mut model, length, 2.0 * numbers as f64)
}

/// A step that trains every weight.
pub fn full() -> Result<Vec<Figure>> {
    let mut model = subject::model(Storage::F32)?;
    let linear = subject::linear(&model).iter().map(|(_, size)| size).sum::<usize>();
    for parameter in model.parameters_mut() {
        parameter.weight = Box::new(weight::Dense::trained(&parameter.weight.dense()?));
    }
    machine::forget_peak()?;
    // Forward, dx and dw; the head makes its logits once more for dw.
    let numbers = 3.0 * linear as f64 + 4.0 * (subject::VOCABULARY * subject::WIDTH) as f64;
    measure(&mut model, LENGTH, numbers)
}

/// Times steps that cost `products` multiply-adds a token with whole weights.
fn measure(model: &mut Llama, length: usize, products: f64) -> Result<Vec<Figure>> {
    let examples: Vec<Example> = (0..2)
        .map(|index| {
            let mut rng = Rng::new(7).fork_index("example", index);
            let tokens = (0..length).map(|_| rng.below(subject::VOCABULARY) as u32).collect();
            Example { tokens, answers: vec![true; length], source: 1 }
        })
        .collect();
    let batches = Batches::new(examples, Batching::Examples(2), 0)?;
    let steps = STEPS + 1;
    let schedule = Schedule { learning_rate: 1e-4, warmup: 0, steps, shape: Shape::Constant };
    let plan = Plan::plain(schedule, 0);
    let (mut seconds, mut started, mut losses) = (Vec::new(), Instant::now(), Vec::new());
    let data = Data { train: &batches, validation: None };
    let mut optimizer = AdamW::default();
    let mut peak = None;
    run::<NextToken>(model, data, (&NextToken, &mut optimizer), &plan, None, &mut |event, _| {
        if let Event::Step(step) = event {
            seconds.push(started.elapsed().as_secs_f64());
            losses.push(step.loss);
            // Before the state is captured, which only the end of a run does.
            peak = machine::peak();
            started = Instant::now();
        }
        ControlFlow::Continue(())
    })?;
    let fastest = seconds[1..].iter().copied().fold(f64::INFINITY, f64::min);
    let median = median(&mut seconds[1..]);
    let tokens = (2 * length) as f64;
    let rate = 2.0 * products * tokens / median;
    let mut figures = vec![
        Figure::new("seconds a step", median, "s").of(rate / machine::gemm_rate(), "the rate of products"),
        Figure::new("fastest step", fastest, "s"),
        Figure::new("tokens a second", tokens / median, "tokens/s"),
        Figure::new("loss of the last step", losses[losses.len() - 1], ""),
    ];
    figures.extend(peak);
    Ok(figures)
}
