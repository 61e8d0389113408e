//! Sums over vectors, in an order that their length decides; products of dense matrices with them.

use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, ColRef, MatRef, Par};

/// Vectors this long are added up in eight sums instead of four.
const LONG: usize = 32;

/// Σ a·b, of which a may be kept in single precision; a, b: [n].
pub(crate) fn dot<E: Copy + Into<f64>>(a: &[E], b: &[f64]) -> f64 {
    if a.len() < LONG { in_lanes::<E, 4>(a, b) } else { in_lanes::<E, 8>(a, b) }
}

/// Sums side by side, so that additions do not wait for each other and the loop fills the registers.
fn in_lanes<E: Copy + Into<f64>, const LANES: usize>(a: &[E], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (wide_a, wide_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = wide_a.remainder().iter().zip(wide_b.remainder()).map(|(&a, b)| a.into() * b).sum();
    for (a, b) in wide_a.zip(wide_b) {
        for ((sum, &a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a.into() * b;
        }
    }
    let (low, high) = sums.split_at(LANES / 2);
    low.iter().zip(high).map(|(low, high)| low + high).sum::<f64>() + rest
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
        for length in [0, 1, 3, 4, 7, 8, 9, 31, 32, 39, 64] {
            let a: Vec<f64> = (0..length).map(|i| i as f64).collect();
            let wanted: f64 = a.iter().map(|a| a * a).sum();
            assert_eq!(dot(&a, &a), wanted, "{length}");
            let single: Vec<f32> = a.iter().map(|&a| a as f32).collect();
            assert_eq!(dot(&single, &a), wanted, "{length}");
        }
    }
}
