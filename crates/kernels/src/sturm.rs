//! How many eigenvalues of a symmetric tridiagonal matrix lie below given numbers, in f64.
//!
//!     q_1 = d_1 − x        q_i = d_i − x − e²_{i−1} / q_{i−1}        #{λ < x} = #{i: q_i < 0}
//!
//! The q are the pivots of T − x, which has as many negative ones as negative eigenvalues (Sylvester). A pivot of 0 makes the next
//! one −∞, which counts for both; so that nothing is divided into nothing, the squares must not be 0. Many x go abreast: one alone
//! waits for every division.

/// Numbers at a time.
pub const LANES: usize = 16;

/// Eigenvalues below each of the shifts; diagonal: [n], squares of what stands beside it, above 0: [n − 1].
///
/// # Panics
/// When the lengths do not fit.
pub fn count_below(diagonal: &[f64], squares: &[f64], shifts: &[f64; LANES]) -> [u32; LANES] {
    assert!(diagonal.len() == squares.len() + 1, "there is one square less than numbers on the diagonal");
    count(diagonal, squares, shifts)
}

vectorised! {
    fn count<V>(diagonal: &[f64], squares: &[f64], shifts: &[f64; LANES]) -> [u32; LANES] {
        // Counted in f64: lanes of one width.
        let (mut pivots, mut counts) = ([1.0; LANES], [0.0; LANES]);
        for (at, d) in diagonal.iter().enumerate() {
            let square = if at == 0 { 0.0 } else { squares[at - 1] };
            for ((pivot, count), shift) in pivots.iter_mut().zip(&mut counts).zip(shifts) {
                *pivot = d - shift - square / *pivot;
                *count += if *pivot < 0.0 { 1.0 } else { 0.0 };
            }
        }
        counts.map(|count| count as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    #[test]
    fn counts_of_a_known_spectrum() {
        // λ_k = 2 − 2·cos(k·π / (n + 1)) of the second difference.
        at_every_level(|| {
            for size in [1, 2, 9, 40] {
                let (diagonal, squares) = (vec![2.0; size], vec![1.0; size - 1]);
                let value =
                    |k: usize| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (size + 1) as f64).cos();
                let shifts: [f64; LANES] = std::array::from_fn(|at| 0.27 * at as f64 - 0.1);
                let found = count_below(&diagonal, &squares, &shifts);
                for (shift, found) in shifts.iter().zip(found) {
                    assert_eq!(found as usize, (1..=size).filter(|&k| value(k) < *shift).count(), "{shift}");
                }
            }
        });
    }

    #[test]
    fn a_pivot_of_zero_counts_once() {
        // [[0, 1], [1, 0]]: −1 and 1.
        let found = count_below(&[0.0, 0.0], &[1.0], &[0.0; LANES]);
        assert_eq!(found, [1; LANES]);
    }
}
