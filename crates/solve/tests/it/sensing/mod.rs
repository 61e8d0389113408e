//! Tests of sensing: laws of all solvers, operators, what [subgradient_recovery] and [matrix_sensing] say, refusals.

mod best;
mod gradients;
mod laws;
mod operators;
mod positive;
mod refusals;
mod subgradients;

use faer::Mat;
use rankine_random::Rng;
use rankine_solve::Iterate;
use rankine_solve::recovery::sensing::{Measure, Noise, Packed, Plain, Plant, Planted, Sampled, Sensing};
use rankine_solve::recovery::{Factors, trajectory};
use std::sync::Arc;

const PLANTED: Planted = Planted { rank: 2, condition: 1.0, bound: 2, noise: Noise::None, seed: 3 };
const OUTLIERS: Noise = Noise::Outliers { share: 0.1, deviation: 10.0 };

fn plain(count: usize, rows: usize, columns: usize) -> Arc<dyn Measure> {
    Arc::new(Plain::<f64>::gaussian(count, rows, columns, 1).unwrap())
}

fn packed(count: usize, side: usize) -> Arc<dyn Measure> {
    Arc::new(Packed::<f64>::gaussian(count, side, 1).unwrap())
}

fn everywhere(rows: usize, columns: usize) -> Sampled {
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).collect();
    Sampled::new(rows, columns, places).unwrap()
}

fn random(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
    let mut rng = Rng::new(seed).fork("test");
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

/// Distances from the truth after so many steps.
fn errors<S: Iterate<Sensing>>(
    solver: &S,
    plant: &Plant,
    steps: usize,
    factors: impl Fn(&S::State) -> &Factors,
) -> Vec<f64> {
    trajectory(solver, &plant.problem, steps, |state| factors(state).distance(plant.truth.as_ref())).unwrap()
}
