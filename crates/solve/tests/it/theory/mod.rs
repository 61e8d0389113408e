//! Closed forms against refits and simulations.

mod linear_dynamics;
mod random_features;
mod self_distillation;

use faer::Mat;
use rankine_random::Rng;

/// Standard normal numbers.
fn normal(rows: usize, columns: usize, rng: &mut Rng) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1e-300),
        "{found}, expected {expected}"
    );
}
