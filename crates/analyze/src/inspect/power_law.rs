//! The heavy tail of a spectrum: a power law fitted to the eigenvalues λ = s² of W·Wᵀ.
//!
//!     density ∝ λ^−α from λ_min on        α = 1 + n / Σ ln(λ/λ_min), over the n eigenvalues from λ_min on
//!     D = max |1 − (λ/λ_min)^(1−α) − i/n|, i = 0 … n − 1 ascending: the distance of Kolmogorov and Smirnov
//!     λ_min: the eigenvalue with the smallest D
//!
//! Clauset, Shalizi and Newman 2009, as the packages powerlaw and WeightWatcher compute it, where every eigenvalue but the
//! largest is tried as λ_min; powerlaw 2 passes over those with α > 3 unless its `parameter_ranges` are widened: of a Gaussian
//! matrix of 32 × 32 it then says 2.7, where powerlaw 1 and this say 6.4. Leading eigenvalues alone have no α here: a tail that
//! begins further down would be cut short, and its α another one. Departure: what is 0 up to rounding, s ≤ 1e-6·s₁, is left out, where
//! WeightWatcher leaves out λ ≤ 1e-5, a bound that depends on the scale of the weights.
//! Costs O(k²).
//!
//! How Martin and Mahoney 2021 (WeightWatcher) read α: well trained layers of large models have 2 to 6; above 6 a layer learnt
//! little, below 2 it may have learnt by heart.

use serde::Serialize;

/// Fewer eigenvalues say nothing of a tail; WeightWatcher's limit.
const FEWEST: usize = 10;

/// Singular values of at most this share of the largest are rounding.
const ROUNDING: f64 = 1e-6;

/// The power law that a tail follows best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// α, the exponent of the density.
    pub alpha: f64,
    /// Its standard error (α − 1)/√n.
    pub error: f64,
    /// D.
    pub distance: f64,
    /// λ_min.
    pub smallest: f64,
    /// n.
    pub count: usize,
}

impl Tail {
    /// The best of all; eigenvalues: descending. `None` where they are too few, or equal.
    pub(super) fn of(eigenvalues: &[f64]) -> Option<Self> {
        let floor = eigenvalues.first()? * ROUNDING.powi(2);
        let logarithms: Vec<f64> =
            eigenvalues.iter().take_while(|&&value| floor < value).map(|value| value.ln()).collect();
        if logarithms.len() < FEWEST {
            return None;
        }
        let sums = logarithms.iter().scan(0.0, |sum, &logarithm| {
            *sum += logarithm;
            Some(*sum)
        });
        let sums: Vec<f64> = sums.collect();
        let mut best: Option<Self> = None;
        // Of equals the longest tail.
        for count in (2..=logarithms.len()).rev() {
            let start = logarithms[count - 1];
            // Values that differ by rounding only have no exponent.
            if logarithms[0] - start <= ROUNDING {
                break;
            }
            let slope = count as f64 / (sums[count - 1] - count as f64 * start);
            let distance = distance(&logarithms[..count], slope);
            if best.is_none_or(|best| distance < best.distance) {
                let error = slope / (count as f64).sqrt();
                best = Some(Self { alpha: 1.0 + slope, error, distance, smallest: start.exp(), count });
            }
        }
        best
    }
}

/// D of a tail with the exponent 1 + slope; logarithms: descending.
fn distance(logarithms: &[f64], slope: f64) -> f64 {
    let count = logarithms.len() as f64;
    let start = logarithms.last().copied().unwrap_or_default();
    let below = |(rank, logarithm): (usize, &f64)| {
        (1.0 - (-slope * (logarithm - start)).exp() - rank as f64 / count).abs()
    };
    logarithms.iter().rev().enumerate().map(below).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    fn descending(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(|x, y| y.total_cmp(x));
        values
    }

    #[test]
    fn the_exponent_of_a_pareto_law_is_found() {
        for alpha in [1.8_f64, 3.0, 5.0] {
            let value = |share: f64| (1.0 - share).powf(-1.0 / (alpha - 1.0));
            let quantiles = (0..400).map(|at| value((f64::from(at) + 0.5) / 400.0));
            let tail = Tail::of(&descending(quantiles.collect())).unwrap();
            assert!((tail.alpha - alpha).abs() < 0.01 * alpha && tail.distance < 0.005, "{tail:?}");
        }
        let mut rng = Rng::new(5).fork("pareto");
        let drawn = (0..4000).map(|_| (1.0 - rng.uniform_f64()).powf(-0.5));
        let tail = Tail::of(&descending(drawn.collect())).unwrap();
        assert!((tail.alpha - 3.0).abs() < 0.05 * 3.0, "{tail:?}");
    }

    /// Below 1 the values are uniform: the tail begins where the law does.
    #[test]
    fn the_bulk_is_left_out() {
        let value = |share: f64| (1.0 - share).powf(-1.0 / 1.5);
        let tail = (0..300).map(|at| value((f64::from(at) + 0.5) / 300.0));
        let bulk = (1..700).map(|at| f64::from(at) / 700.0);
        let found = Tail::of(&descending(tail.chain(bulk).collect())).unwrap();
        assert!((found.alpha - 2.5).abs() < 0.1 && (150..=330).contains(&found.count), "{found:?}");
        assert!(0.7 < found.smallest && found.smallest < 2.0, "{found:?}");
    }

    /// Of the eigenvalues 4, 2, 1.
    #[test]
    fn one_tail_by_hand() {
        let logarithms: Vec<f64> = [4.0_f64, 2.0, 1.0].iter().map(|x| x.ln()).collect();
        let slope = 3.0 / 8.0_f64.ln();
        // 1 − λ^−slope: 0, 1 − e^−1, 1 − e^−2 against 0, 1/3, 2/3.
        let expected = (1.0 - (-1.0_f64).exp() - 1.0 / 3.0).max(1.0 - (-2.0_f64).exp() - 2.0 / 3.0);
        assert!((distance(&logarithms, slope) - expected).abs() < 1e-15);
    }

    #[test]
    fn too_few_or_equal_values_have_no_tail() {
        assert_eq!(Tail::of(&[]), None);
        assert_eq!(Tail::of(&[3.0, 2.0, 1.0]), None);
        assert_eq!(Tail::of(&[2.0; 40]), None);
        assert_eq!(Tail::of(&[[1.0].as_slice(), &[1e-14; 40]].concat()), None);
        assert_eq!(Tail::of(&[0.0; 40]), None);
    }
}
