//! Time of taking over all linear layers by PiSSA of rank 16: `cargo xtask bench attach`.
//!
//! The error is ‖W − W_r‖ / ‖W‖ of each start, averaged over the layers; that of the whole SVD is the smallest there is.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

mod common;

use rankine_method::{
    attach,
    pissa::{Decomposition, Pissa},
};
use rankine_nn::{Model as _, models::Llama};
use rankine_random::Rng;
use std::time::Instant;

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("PiSSA r=16 on all linear layers, median of {ROUNDS}");
    for (name, svd) in
        [("exact", Decomposition::Exact), ("randomised, 4 power iterations", Decomposition::Randomized)]
    {
        let (mut seconds, mut error) = (Vec::new(), 0.0);
        for _ in 0..ROUNDS {
            let mut model = common::model()?;
            let modules: Vec<String> = common::linear(&model).into_iter().map(|(module, _)| module).collect();
            let pissa = Pissa { svd, ..Pissa::default() };
            let started = Instant::now();
            attach(&mut model, &pissa, &modules, &Rng::new(0), &mut |_, _| {})?;
            seconds.push(started.elapsed().as_secs_f64());
            error = residual(&model)?;
        }
        seconds.sort_by(f64::total_cmp);
        println!("  {name}: {:.2} s, error {error:.6}", seconds[ROUNDS / 2]);
    }
    Ok(())
}

/// Mean of ‖base‖ / ‖W‖ over the layers that were taken over.
fn residual(model: &Llama) -> Result<f64, Box<dyn std::error::Error>> {
    let (mut sum, mut count) = (0.0, 0);
    for parameter in model.parameters() {
        if let Some((base, _)) = parameter.weight.residual() {
            let norm = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            sum += base.read(norm) / parameter.weight.dense()?.read(norm);
            count += 1;
        }
    }
    Ok(sum / f64::from(count.max(1)))
}
