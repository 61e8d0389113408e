//! Speed of a LoRA step on the shape of SmolLM2-135M: `cargo xtask bench train`.
//!
//! Weights are random, so nothing is downloaded. The share is of the matrix-product rate measured in the same run.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

mod common;

use rankine_data::{Batches, Batching, Example};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_method::{attach, lora::Lora};
use rankine_random::Rng;
use rankine_train::{AdamW, Data, Event, NextToken, Plan, Schedule, Shape, run};
use std::{ops::ControlFlow, time::Instant};

const LENGTH: usize = 256;
const BATCH: usize = 2;
const STEPS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut model = common::model()?;
    let weights = common::linear(&model);
    let modules: Vec<String> = weights.iter().map(|(module, _)| module.clone()).collect();
    attach(&mut model, &Lora::default(), &modules, &Rng::new(0), &mut |_, _| {})?;

    let examples: Vec<Example> = (0..BATCH)
        .map(|index| {
            let mut rng = Rng::new(7).fork_index("example", index);
            let tokens = (0..LENGTH).map(|_| rng.below(49152) as u32).collect();
            Example { tokens, answers: vec![true; LENGTH], source: 1 }
        })
        .collect();
    let batches = Batches::new(examples, Batching::Examples(BATCH), 0)?;
    let schedule = Schedule { learning_rate: 1e-4, warmup: 0, steps: STEPS, shape: Shape::Constant };
    let plan = Plan {
        schedule,
        accumulation: 1,
        clip: Some(1.0),
        evaluate_every: 0,
        save_every: 0,
        patience: None,
        recompute: false,
        seed: 0,
    };
    let (mut seconds, mut started) = (Vec::new(), Instant::now());
    let mut optimizer = AdamW::default();
    let data = Data { train: &batches, validation: None };
    run(&mut model, data, (&NextToken, &mut optimizer), &plan, None, &mut |event, _| {
        if let Event::Step(_) = event {
            seconds.push(started.elapsed().as_secs_f64());
            started = Instant::now();
        }
        ControlFlow::Continue(())
    })?;
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];

    // Forward, and dx: two products with every frozen weight; the head's loss costs two with the embedding.
    let numbers = weights.iter().map(|(_, size)| size).sum::<usize>() + 49152 * 576;
    let operations = 2.0 * 2.0 * (BATCH * LENGTH) as f64 * numbers as f64;
    let limit = gemm_rate();
    println!(
        "LoRA r=16 on all linear layers, 135 M parameters, batch {BATCH} x {LENGTH}, f32, median of {}",
        seconds.len()
    );
    println!("  {median:.3} s/step (fastest {:.3}, slowest {:.3})", seconds[0], seconds[seconds.len() - 1]);
    println!("  {:.0} tokens/s", (BATCH * LENGTH) as f64 / median);
    println!("  {:.0} GFLOP/s in products with frozen weights", operations / median / 1e9);
    println!(
        "  {:.0} GFLOP/s measured for 512 x 576 x 1536 alone: share {:.0} %",
        limit / 1e9,
        100.0 * operations / median / limit
    );
    Ok(())
}

/// Operations a second of the product that dominates a step.
fn gemm_rate() -> f64 {
    let (t, inputs, outputs) = (512, 576, 1536);
    let mut rng = Rng::new(3);
    let (x, w) = (rng.normals(t * inputs, 1.0), rng.normals(outputs * inputs, 1.0));
    let mut y = vec![0.0; t * outputs];
    let mut best = f64::INFINITY;
    for _ in 0..30 {
        let started = Instant::now();
        matmul(&mut y, Matrix::new(&x, t, inputs), Matrix::new(&w, outputs, inputs).t(), 1.0, false);
        best = best.min(started.elapsed().as_secs_f64());
    }
    2.0 * (t * inputs * outputs) as f64 / best
}
