//! Taking over all linear layers by PiSSA of rank 16.
//!
//! The error is ‖W − W_r‖ / ‖W‖ of each start, averaged over the layers; that of the whole SVD is the smallest there is.

use crate::{
    Result,
    figure::{Figure, median},
    subject,
};
use rankine_method::{
    attach,
    pissa::{Decomposition, Pissa},
};
use rankine_nn::{
    Model as _,
    models::{Llama, Storage},
};
use rankine_random::Rng;
use std::time::Instant;

const ROUNDS: usize = 5;

/// Seconds and errors, exact and randomised.
pub fn run() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, svd) in
        [("exact", Decomposition::Exact), ("randomised, 4 power iterations", Decomposition::Randomized)]
    {
        let (mut seconds, mut error) = (Vec::new(), 0.0);
        for _ in 0..ROUNDS {
            let mut model = subject::model(Storage::F32)?;
            let modules: Vec<String> =
                subject::linear(&model).into_iter().map(|(module, _)| module).collect();
            let pissa = Pissa { svd, ..Pissa::default() };
            let started = Instant::now();
            attach(&mut model, &pissa, &modules, &Rng::new(0), &mut |_, _| {})?;
            seconds.push(started.elapsed().as_secs_f64());
            error = residual(&model)?;
        }
        figures.push(Figure::new(name, median(&mut seconds), "s"));
        figures.push(Figure::new(format!("{name}: error"), error, ""));
    }
    Ok(figures)
}

/// Mean of ‖base‖ / ‖W‖ over the layers that were taken over.
fn residual(model: &Llama) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for parameter in model.parameters() {
        if let Some((base, _)) = parameter.weight.residual() {
            let norm = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            sum += base.tensor().read(norm) / parameter.weight.dense()?.read(norm);
            count += 1;
        }
    }
    Ok(sum / f64::from(count.max(1)))
}
