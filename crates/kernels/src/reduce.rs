//! Sums in a fixed order, and the vector updates that go with them.
//!
//! A sum is cut into tasks of `CHUNK` numbers, added in f64 lanes, and the tasks' sums are added in order: the
//! result does not depend on the number of threads.

use crate::tasks::{self, CHUNK};

/// Partial sums of a task.
const STRIPE: usize = 128;

/// `Σ x²`, in f64.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    dot(x, x)
}

/// `Σ x·y`, in f64.
///
/// # Panics
/// When the lengths differ.
pub fn dot(x: &[f32], y: &[f32]) -> f64 {
    assert_eq!(x.len(), y.len(), "lengths of a dot product");
    tasks::collect(x.chunks(CHUNK).zip(y.chunks(CHUNK)).collect(), |(x, y)| dot_chunk(x, y)).into_iter().sum()
}

/// `x ← factor · x`.
pub fn scale(x: &mut [f32], factor: f32) {
    tasks::run(x.chunks_mut(CHUNK).collect(), |x: &mut [f32]| scale_chunk(x, factor));
}

/// `y ← y + factor · x`.
///
/// # Panics
/// When the lengths differ.
pub fn axpy(factor: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "lengths of a vector update");
    tasks::run(x.chunks(CHUNK).zip(y.chunks_mut(CHUNK)).collect(), |(x, y)| axpy_chunk(factor, x, y));
}

vectorised! {
    fn dot_chunk<V>(x: &[f32], y: &[f32]) -> f64 {
        // Sums in memory, a stripe of them: every addition is elementwise, as the vectoriser likes it.
        let mut sums = [0.0f64; STRIPE];
        for (x, y) in x.chunks(STRIPE).zip(y.chunks(STRIPE)) {
            for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                *sum += f64::from(x) * f64::from(y);
            }
        }
        sums.iter().sum()
    }

    fn scale_chunk<V>(x: &mut [f32], factor: f32) {
        x.iter_mut().for_each(|x| *x *= factor);
    }

    fn axpy_chunk<V>(factor: f32, x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
    }
}
