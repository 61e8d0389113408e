//! The randomised method against the exact one.

use crate::matrices::{assert_signs_fixed, gaussian, norm, residual, with_spectrum};
use rankine_linalg::{Svd, Truncation, singular_values, truncated};

const ROWS: usize = 90;
const COLUMNS: usize = 70;
const RANK: usize = 8;

/// A weight with a slowly falling spectrum, s_i = i^-½: hard for a random range finder.
fn slow() -> (Vec<f32>, f64) {
    let s: Vec<f64> = (1..=COLUMNS).map(|i| (i as f64).powf(-0.5)).collect();
    (with_spectrum(ROWS, COLUMNS, &s, 1), s[RANK..].iter().map(|s| s * s).sum::<f64>().sqrt())
}

fn cut(a: &[f32], power_iterations: usize, oversampling: usize, seed: u64) -> Svd {
    let how = Truncation::Randomized { power_iterations, oversampling, seed };
    truncated(a, ROWS, COLUMNS, RANK, how).unwrap()
}

#[test]
fn the_error_is_near_the_smallest_and_falls_with_power_iterations() {
    let (a, best) = slow();
    for seed in 0..5 {
        let errors = [0, 1, 2, 4, 16].map(|rounds| norm(&residual(&a, &cut(&a, rounds, 4, seed))) / best);
        assert!(errors.is_sorted_by(|x, y| *x >= y - 1e-7), "seed {seed}: {errors:?}");
        assert!(errors[0] > 1.01, "too easy to show anything: {errors:?}");
        assert!(errors[3] < 1.005 && errors[4] < 1.0001, "seed {seed}: {errors:?}");
        assert!(errors.iter().all(|&error| error > 1.0 - 1e-6), "below the best possible: {errors:?}");
    }
}

#[test]
fn its_factors_are_orthonormal_and_its_signs_fixed() {
    for rounds in [0, 4, 50] {
        let svd = cut(&slow().0, rounds, 10, 3);
        assert!(svd.orthonormality_defect().unwrap() < 1e-6, "{rounds} rounds");
        assert!(svd.s.is_sorted_by(|x, y| x >= y));
        assert_signs_fixed(&svd, "randomised");
    }
}

#[test]
fn it_agrees_with_the_exact_one_where_the_spectrum_falls() {
    let s: Vec<f64> = (0..20).map(|i| 0.5f64.powi(i)).collect();
    let a = with_spectrum(ROWS, COLUMNS, &s, 4);
    let (random, exact) = (cut(&a, 4, 10, 0), truncated(&a, ROWS, COLUMNS, RANK, Truncation::Exact).unwrap());
    let apart = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(apart(&random.s, &exact.s) < 1e-6);
    assert!(apart(&random.u, &exact.u) < 1e-4 && apart(&random.vt, &exact.vt) < 1e-4);
}

#[test]
fn steep_spectra_are_found_on_both_ways_to_the_last_triples() {
    // s₈/s₁ from 1e-3 to 1e-7: by way of the square of the projected matrix above 1e-4, by its own SVD below.
    for exponent in [3.0, 3.9, 4.1, 5.0, 7.0] {
        let s: Vec<f64> = (0..20).map(|i| 10f64.powf(-exponent * f64::from(i) / 7.0)).collect();
        let a = with_spectrum(ROWS, COLUMNS, &s, 4);
        let (svd, exact) =
            (cut(&a, 2, 10, 0), truncated(&a, ROWS, COLUMNS, RANK, Truncation::Exact).unwrap());
        let worst = svd.s.iter().zip(&exact.s).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst < 5e-7, "1e-{exponent}: {worst}, {:?}", svd.s);
        assert!(svd.s.is_sorted_by(|x, y| x >= y), "1e-{exponent}: {:?}", svd.s);
        assert!(svd.orthonormality_defect().unwrap() < 1e-6, "1e-{exponent}");
        assert_signs_fixed(&svd, "steep");
    }
}

#[test]
fn a_matrix_of_that_rank_is_found_whole() {
    for (a, name) in
        [(with_spectrum(ROWS, COLUMNS, &[3.0, 2.0, 1.0], 5), "rank 3"), (vec![0.0; ROWS * COLUMNS], "zero")]
    {
        let svd = cut(&a, 2, 5, 1);
        assert!(norm(&residual(&a, &svd)) <= 1e-6 * norm(&a), "{name}");
        assert!(svd.orthonormality_defect().unwrap() < 1e-6, "{name}");
        assert_signs_fixed(&svd, name);
    }
}

#[test]
fn the_seed_decides() {
    let (a, _) = slow();
    assert_eq!(cut(&a, 1, 4, 7), cut(&a, 1, 4, 7));
    assert_ne!(cut(&a, 1, 4, 7), cut(&a, 1, 4, 8));
}

#[test]
fn magnitudes_at_the_ends_of_the_format_are_no_trouble() {
    let (a, _) = slow();
    let plain = cut(&a, 2, 6, 1);
    for factor in [1e37f32, 1e-36] {
        let scaled: Vec<f32> = a.iter().map(|x| x * factor).collect();
        let svd = cut(&scaled, 2, 6, 1);
        let apart = |(x, y): (&f32, &f32)| (x / factor - y).abs() / y;
        assert!(svd.s.iter().zip(&plain.s).map(apart).fold(0.0, f32::max) < 1e-5, "{factor}: {:?}", svd.s);
        assert!(svd.orthonormality_defect().unwrap() < 1e-6);
    }
}

#[test]
fn more_samples_than_directions_give_the_exact_answer() {
    let (a, _) = slow();
    let exact = truncated(&a, ROWS, COLUMNS, RANK, Truncation::Exact).unwrap();
    for oversampling in [COLUMNS - RANK, usize::MAX] {
        assert_eq!(cut(&a, 1, oversampling, 2), exact);
    }
}

#[test]
fn the_estimate_of_the_error_bounds_the_error() {
    let gaussian = gaussian(ROWS, COLUMNS, 6);
    let huge: Vec<f32> = gaussian.iter().map(|x| x * 1e36).collect();
    for (a, name) in [(slow().0, "slow"), (gaussian, "gaussian"), (huge, "huge")] {
        let svd = cut(&a, 1, 5, 9);
        let left = residual(&a, &svd);
        let estimate = svd.error_estimate(&a, 1).unwrap();
        assert!(
            (estimate.frobenius / norm(&left) - 1.0).abs() < 1e-5,
            "{name}: {estimate:?}, {}",
            norm(&left)
        );
        let spectral = f64::from(singular_values(&left, ROWS, COLUMNS).unwrap()[0]);
        assert!((spectral..1.5 * spectral).contains(&estimate.spectral), "{name}: {estimate:?}, {spectral}");
    }
}

#[test]
fn nothing_left_is_estimated_as_nothing() {
    for a in [vec![0.0; 12], vec![1.0; 12]] {
        let cut = truncated(&a, 3, 4, 1, Truncation::Exact).unwrap();
        let estimate = cut.error_estimate(&a, 0).unwrap();
        assert!(estimate.frobenius < 2e-3 && estimate.spectral < 1e-5, "{estimate:?}");
    }
}
