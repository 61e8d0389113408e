//! Speed of a training step of two small image classifiers: `cargo xtask bench networks`.
//!
//! The MLP is 784-512-512-10, the LeNet that of `rankine_nn::models`; a step is forward, cross-entropy, backward and
//! AdamW on 128 random images. RAYON_NUM_THREADS sets the threads. Operations are counted as the definition needs them, so a
//! convolution that takes a shorter way can show more than the share of the matrix-product rate measured in
//! the same run would allow. `benches/compare/networks.py` is the same in torch.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use rankine_kernels::adamw::AdamW;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_nn::{
    Model, Parameter, Pass, for_each_trained_mut,
    models::{LeNet, Mlp},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use std::{sync::Arc, time::Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 128;
const WARMUP: usize = 10;

fn main() -> Outcome<()> {
    let limit = gemm_rate();
    let rng = Rng::new(1);
    let mut mlp = Mlp::new(&[784, 512, 512, 10], &rng)?;
    // Forward, dw, and dx of all layers but the first.
    let mlp_operations = 3 * (784 * 512 + 512 * 512 + 512 * 10) - 784 * 512;
    let (mlp, mlp_text) = measure(&mut mlp, 300, |model, x, targets| {
        mean_loss(&model.hidden(x, &Pass::quiet())?, model.head(), targets)
    })?;
    let mut lenet = LeNet::new(10, &rng)?;
    let (first, second) = (784 * 32 * 25, 196 * 64 * 32 * 25);
    let lenet_operations = 3 * (first + second + 3136 * 512 + 512 * 10) - first;
    let (lenet, lenet_text) = measure(&mut lenet, 60, |model, x, targets| {
        mean_loss(&model.hidden(x, &Pass::quiet())?, model.head(), targets)
    })?;

    println!(
        "forward, backward and AdamW, batch {BATCH}, f32; products alone run at {:.0} GFLOP/s",
        limit / 1e9
    );
    for (name, text, figures, operations) in
        [("MLP", mlp_text, &mlp, mlp_operations), ("LeNet", lenet_text, &lenet, lenet_operations)]
    {
        let rate = 2.0 * (BATCH * operations) as f64 / (figures[0] / 1e3);
        println!("  {name}: {text}");
        println!("    {:.0} GFLOP/s, {:.0} % of the products' rate", rate / 1e9, 100.0 * rate / limit);
    }
    let json = |[step, forward, backward, update, processor, fastest]: [f64; 6]| {
        format!(
            "{{\"step\": {step:.3}, \"forward\": {forward:.3}, \"backward\": {backward:.3}, \"update\": {update:.3}, \
             \"processor\": {processor:.3}, \"fastest\": {fastest:.3}}}"
        )
    };
    println!(
        "{{\"batch\": {BATCH}, \"gemm_gflops\": {:.1}, \"mlp_ms\": {}, \"lenet_ms\": {}}}",
        limit / 1e9,
        json(mlp),
        json(lenet)
    );
    Ok(())
}

/// The mean loss of a hidden state under a head.
fn mean_loss(hidden: &Tensor, head: &Parameter, targets: &Arc<[u32]>) -> Outcome<Tensor> {
    Ok(head.weight.losses(hidden, targets)?.mean())
}

/// Medians in milliseconds: a step, its forward, backward and update, processor time of all threads; and the fastest step.
fn measure<M: Model>(
    model: &mut M,
    steps: usize,
    loss: impl Fn(&M, &Tensor, &Arc<[u32]>) -> Outcome<Tensor>,
) -> Outcome<([f64; 6], String)> {
    let mut rng = Rng::new(7);
    let x = Tensor::new(rng.normals(BATCH * 784, 1.0), &[BATCH, 784])?;
    let targets: Arc<[u32]> = (0..BATCH).map(|_| rng.below(10) as u32).collect();
    let (rule, mut moments) = (AdamW::default(), Vec::new());
    let mut columns: [Vec<f64>; 5] = Default::default();
    for step in 1..=WARMUP + steps {
        let busy = processor_seconds();
        let mut marks = vec![Instant::now()];
        let loss = loss(model, &x, &targets)?;
        marks.push(Instant::now());
        let gradients = loss.backward()?;
        marks.push(Instant::now());
        for_each_trained_mut(model, &mut |place, variable| {
            if let Some(gradient) = gradients.of(variable) {
                moments.resize_with(moments.len().max(place.index + 1), Default::default);
                let (m, v): &mut (Vec<f32>, Vec<f32>) = &mut moments[place.index];
                gradient.read(|g| {
                    m.resize(g.len(), 0.0);
                    v.resize(g.len(), 0.0);
                    variable.update(|p| rule.update(step as u64, 1e-3, 1e-2, p, g, m, v));
                });
            }
        });
        drop(gradients);
        marks.push(Instant::now());
        let spent = |from: usize, to: usize| marks[to].duration_since(marks[from]).as_secs_f64() * 1e3;
        let figures =
            [spent(0, 3), spent(0, 1), spent(1, 2), spent(2, 3), 1e3 * (processor_seconds() - busy)];
        if step > WARMUP {
            columns.iter_mut().zip(figures).for_each(|(column, figure)| column.push(figure));
        }
    }
    columns.iter_mut().for_each(|column| column.sort_by(f64::total_cmp));
    let [step, forward, backward, update, processor] =
        columns.each_ref().map(|column| column[column.len() / 2]);
    let fastest = columns[0][0];
    let text = format!(
        "{step:.2} ms/step (forward {forward:.2}, backward {backward:.2}, AdamW {update:.2}; fastest {fastest:.2}; \
         processor {processor:.2}), median of {steps}"
    );
    Ok(([step, forward, backward, update, processor, fastest], text))
}

/// Seconds that all threads of this process have run, to a nanosecond; 0 where the system does not say.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Operations a second of a product of the MLP's size.
fn gemm_rate() -> f64 {
    let (t, inputs, outputs) = (512, 784, 512);
    let mut rng = Rng::new(3);
    let (x, w) = (rng.normals(t * inputs, 1.0), rng.normals(outputs * inputs, 1.0));
    let mut y = vec![0.0; t * outputs];
    let mut best = f64::INFINITY;
    for _ in 0..100 {
        let started = Instant::now();
        matmul(&mut y, Matrix::new(&x, t, inputs), Matrix::new(&w, outputs, inputs).t(), 1.0, false);
        best = best.min(started.elapsed().as_secs_f64());
    }
    2.0 * (t * inputs * outputs) as f64 / best
}
