//! Tests of linear systems: laws of every solver on every problem, invariants of [dcdm], agreement with scipy, refusals.

mod agreement;
mod invariants;
mod laws;
mod operators;
mod refusals;
mod rounding;

use faer::Mat;
use rankine_random::Rng;
use rankine_solve::linear::{LinearSystem, Obstacle, Operator, Poisson, SparseSymmetric};

/// Normal numbers.
pub fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed).fork("normals");
    (0..count).map(|_| rng.normal_f64()).collect()
}

/// Bᵀ·B + 1.
pub fn random(size: usize) -> SparseSymmetric {
    let entries = normals(size * size, 3);
    let b = Mat::from_fn(size, size, |i, j| entries[i * size + j]);
    let square = b.transpose() * &b;
    SparseSymmetric::from_dense(
        Mat::from_fn(size, size, |i, j| square[(i, j)] + f64::from(u8::from(i == j))).as_ref(),
    )
    .unwrap()
}

/// H·diag(10^(−decades·i/(n − 1)))·H with a reflection H.
pub fn ill_conditioned(size: usize, decades: f64) -> SparseSymmetric {
    let v = normals(size, 5);
    let square: f64 = v.iter().map(|v| v * v).sum();
    let h = Mat::from_fn(size, size, |i, j| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square);
    let value = |i: usize| 10f64.powf(-decades * i as f64 / (size - 1) as f64);
    let scaled = Mat::from_fn(size, size, |i, j| value(i) * h[(i, j)]);
    SparseSymmetric::from_dense((h.transpose() * &scaled).as_ref()).unwrap()
}

/// A sparse matrix whose incomplete factor has not enough on its diagonal.
pub fn scattered(size: usize) -> SparseSymmetric {
    let mut rng = Rng::new(8).fork("scattered");
    let mut entries = Vec::new();
    let mut outer = |places: [usize; 3], weights: [f64; 3]| {
        for (row, left) in places.into_iter().zip(weights) {
            entries
                .extend(places.into_iter().zip(weights).map(|(column, right)| (row, column, left * right)));
        }
    };
    for row in 0..size {
        let places = [row, rng.below(size), rng.below(size)];
        outer(places, std::array::from_fn(|_| rng.normal_f64()));
    }
    entries.extend((0..size).map(|row| (row, row, 1e-2)));
    SparseSymmetric::new(size, entries).unwrap()
}

pub fn ball(shape: &[usize]) -> Poisson {
    Obstacle::Ball { radius: 0.2 }.poisson(shape).unwrap()
}

/// A·x.
pub fn product(operator: &dyn Operator, x: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    operator.apply(x, &mut product);
    product
}

/// ‖b − A·x‖ / ‖b‖.
pub fn residual(problem: &LinearSystem, x: &[f64]) -> f64 {
    let product = product(problem.operator(), x);
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let scale = problem.rhs().iter().fold(0.0, |largest: f64, b| largest.max(b.abs())).max(f64::MIN_POSITIVE);
    let left = squares(&mut problem.rhs().iter().zip(product).map(|(b, product)| (b - product) / scale));
    (left / squares(&mut problem.rhs().iter().map(|b| b / scale)).max(f64::MIN_POSITIVE)).sqrt()
}

/// The largest |a − b|, relative to the largest |b|.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0, |largest: f64, b| largest.max(b.abs()));
    a.iter().zip(b).fold(0.0, |distance: f64, (a, b)| distance.max((a - b).abs())) / largest
}
