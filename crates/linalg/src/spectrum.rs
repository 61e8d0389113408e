//! Numbers that say how many directions of a spectrum matter.
//!
//! All take singular values in descending order; [k]. A spectrum of zeros has no direction: every rank is 0.

/// The exponential of the entropy of p_i = s_i / Σ s: k for a flat spectrum, 1 for a single direction.
///
/// Roy and Vetterli 2007.
pub fn effective_rank(s: &[f32]) -> f64 {
    let total: f64 = s.iter().map(|&x| f64::from(x)).sum();
    if total == 0.0 {
        return 0.0;
    }
    let shares = s.iter().map(|&x| f64::from(x) / total).filter(|&share| share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// ‖A‖_F² / ‖A‖₂² = Σ s² / s₁²: at most the rank, and steady when small values are added.
pub fn stable_rank(s: &[f32]) -> f64 {
    let largest = s.iter().fold(0.0, |largest: f32, &x| largest.max(x));
    if largest == 0.0 {
        return 0.0;
    }
    s.iter().map(|&x| (f64::from(x) / f64::from(largest)).powi(2)).sum()
}

/// The smallest k with Σ_{i≤k} s² ≥ τ · Σ s²; τ from 0 to 1.
pub fn energy_rank(s: &[f32], tau: f64) -> usize {
    let cumulative: Vec<f64> = s
        .iter()
        .scan(0.0, |sum, &x| {
            *sum += f64::from(x).powi(2);
            Some(*sum)
        })
        .collect();
    let wanted = tau * cumulative.last().copied().unwrap_or(0.0);
    if wanted > 0.0 { (cumulative.partition_point(|&sum| sum < wanted) + 1).min(s.len()) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_spectrum_has_full_rank_by_every_measure() {
        let flat = [0.25; 8];
        assert!((effective_rank(&flat) - 8.0).abs() < 1e-12);
        assert!((stable_rank(&flat) - 8.0).abs() < 1e-12);
        assert_eq!(energy_rank(&flat, 1.0), 8);
        assert_eq!(energy_rank(&flat, 0.5), 4);
    }

    #[test]
    fn a_single_direction_has_rank_one() {
        let single = [3.0, 0.0, 0.0];
        assert_eq!((effective_rank(&single), stable_rank(&single), energy_rank(&single, 1.0)), (1.0, 1.0, 1));
    }

    #[test]
    fn the_zero_and_the_empty_spectrum_have_rank_zero() {
        for s in [&[0.0f32, 0.0][..], &[]] {
            assert_eq!((effective_rank(s), stable_rank(s), energy_rank(s, 0.9)), (0.0, 0.0, 0));
        }
    }

    #[test]
    fn energy_rank_is_the_smallest_that_suffices() {
        let s = [2.0, 1.0, 1.0]; // energies 4, 1, 1 of 6
        let ranks = [0.0, 0.6, 0.7, 0.83, 0.84, 1.0, 2.0].map(|tau| energy_rank(&s, tau));
        assert_eq!(ranks, [0, 1, 2, 2, 3, 3, 3]);
    }

    #[test]
    fn two_values_have_the_entropy_of_a_coin() {
        let entropy = -(0.75f64 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((effective_rank(&[3.0, 1.0]) - entropy.exp()).abs() < 1e-12);
        assert!((stable_rank(&[3.0, 1.0]) - 10.0 / 9.0).abs() < 1e-12);
    }
}
