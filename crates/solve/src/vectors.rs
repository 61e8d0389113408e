//! Sums over vectors, in an order that their length decides; products of dense matrices with them.

use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, ColRef, MatRef, Par};

/// Sums that are kept side by side, so that the loop fills the registers.
const LANES: usize = 8;

/// Σ a·b; a, b: [n].
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (wide_a, wide_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = wide_a.remainder().iter().zip(wide_b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in wide_a.zip(wide_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// √Σ a².
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// target += factor·a.
pub(crate) fn add(target: &mut [f64], factor: f64, a: &[f64]) {
    target.iter_mut().zip(a).for_each(|(target, a)| *target += factor * a);
}

/// a = factor·a + b.
pub(crate) fn scale_and_add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = factor * *a + b);
}

/// target = factor·matrix·x, or added to it.
pub(crate) fn multiply(target: &mut [f64], matrix: MatRef<'_, f64>, x: &[f64], factor: f64, accum: Accum) {
    let target = ColMut::from_slice_mut(target).as_mat_mut();
    matmul(target, accum, matrix, ColRef::from_slice(x).as_mat(), factor, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_take_every_entry_whatever_the_length() {
        for length in [0, 1, 7, 8, 9, 31] {
            let a: Vec<f64> = (0..length).map(|i| i as f64).collect();
            let wanted: f64 = a.iter().map(|a| a * a).sum();
            assert_eq!(dot(&a, &a), wanted, "{length}");
        }
    }
}
