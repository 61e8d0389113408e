//! A training step of two small image classifiers: forward, cross-entropy, backward and AdamW on 128 random images.
//!
//! The MLP is 784-512-512-10, the LeNet that of `rankine_nn::models`. Operations are counted as the definition needs them, so
//! a convolution that takes a shorter way can show more than the rate of products would allow.
//! `benches/compare/networks.py` is the same in torch.

use crate::{
    Result,
    figure::{Figure, median},
    machine,
};
use rankine_kernels::adamw::AdamW;
use rankine_nn::{
    Model, Parameter, Pass, for_each_trained_mut,
    models::{LeNet, Mlp},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use std::{sync::Arc, time::Instant};

const BATCH: usize = 128;
const WARMUP: usize = 10;

/// Milliseconds a step.
pub fn run() -> Result<Vec<Figure>> {
    let (limit, rng) = (machine::gemm_rate(), Rng::new(1));
    let figure = |name: &str, milliseconds: f64, operations: usize| {
        let rate = 2.0 * (BATCH * operations) as f64 / (milliseconds / 1e3);
        Figure::new(name, milliseconds, "ms").of(rate / limit, "the rate of products")
    };
    let mut mlp = Mlp::new(&[784, 512, 512, 10], &rng)?;
    // Forward, dw, and dx of all layers but the first.
    let operations = 3 * (784 * 512 + 512 * 512 + 512 * 10) - 784 * 512;
    let mlp = measure(&mut mlp, 300, |model, x| Ok((model.hidden(x, &Pass::quiet())?, model.head())))?;
    let mlp = figure("mlp", mlp, operations);
    let mut lenet = LeNet::new(10, &rng)?;
    let (first, second) = (784 * 32 * 25, 196 * 64 * 32 * 25);
    let operations = 3 * (first + second + 3136 * 512 + 512 * 10) - first;
    let lenet = measure(&mut lenet, 60, |model, x| Ok((model.hidden(x, &Pass::quiet())?, model.head())))?;
    Ok(vec![mlp, figure("lenet", lenet, operations)])
}

/// Median milliseconds of a step; `hidden` gives the state before the head, and the head.
fn measure<M: Model>(
    model: &mut M,
    steps: usize,
    hidden: impl for<'m> Fn(&'m M, &Tensor) -> Result<(Tensor, &'m Parameter)>,
) -> Result<f64> {
    let mut rng = Rng::new(7);
    let x = Tensor::new(rng.normals(BATCH * 784, 1.0), &[BATCH, 784])?;
    let targets: Arc<[u32]> = (0..BATCH).map(|_| rng.below(10) as u32).collect();
    let (rule, mut moments) = (AdamW::default(), Vec::<[Vec<f32>; 2]>::new());
    let mut times = Vec::new();
    for step in 1..=WARMUP + steps {
        let started = Instant::now();
        let (state, head) = hidden(model, &x)?;
        let gradients = head.weight.losses(&state, &targets)?.mean().backward()?;
        for_each_trained_mut(model, &mut |place, variable| {
            let Some(gradient) = gradients.of(variable) else { return };
            moments.resize_with(moments.len().max(place.index + 1), Default::default);
            let [first, second] = &mut moments[place.index];
            gradient.read(|gradient| {
                first.resize(gradient.len(), 0.0);
                second.resize(gradient.len(), 0.0);
                variable.update(|values| {
                    rule.update(step as u64, 1e-3, 1e-2, values, gradient, first, second);
                });
            });
        });
        drop(gradients);
        if step > WARMUP {
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(median(&mut times))
}
