//! The definition of the SVD, on every awkward matrix.

use crate::matrices::{Case, assert_signs_fixed, awkward, gaussian, norm, residual, with_spectrum};
use proptest::prelude::*;
use rankine_linalg::{Svd, Truncation, energy_rank, singular_values, svd, truncated};

fn assert_is_svd(Case { name, rows, columns, a }: &Case) -> Svd {
    let svd = svd(a, *rows, *columns).unwrap();
    let rank = *rows.min(columns);
    assert_eq!((svd.rows, svd.columns, svd.rank), (*rows, *columns, rank), "{name}");
    assert_eq!((svd.u.len(), svd.s.len(), svd.vt.len()), (rows * rank, rank, rank * columns), "{name}");
    let defect = svd.orthonormality_defect().unwrap();
    assert!(defect < 1e-6, "{name}: orthonormality {defect}");
    let left = norm(&residual(a, &svd));
    assert!(left <= 2e-7 * norm(a), "{name}: reconstruction {left} of {}", norm(a));
    assert!(svd.s.is_sorted_by(|x, y| x >= y) && svd.s.iter().all(|&s| s >= 0.0), "{name}: {:?}", svd.s);
    assert_signs_fixed(&svd, name);
    svd
}

#[test]
fn every_awkward_matrix_has_its_svd() {
    awkward().iter().for_each(|case| drop(assert_is_svd(case)));
}

#[test]
fn singular_values_alone_are_those_of_the_svd() {
    for Case { name, rows, columns, a } in awkward() {
        let (alone, with) = (singular_values(&a, rows, columns).unwrap(), svd(&a, rows, columns).unwrap().s);
        let largest = with[0];
        let apart = alone.iter().zip(&with).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(apart <= 1e-6 * largest, "{name}: {apart} of {largest}");
    }
}

#[test]
fn a_cut_at_any_rank_leaves_the_tail_of_the_spectrum() {
    let s: Vec<f64> = (0..10).map(|i| 0.6f64.powi(i)).collect();
    let a = with_spectrum(24, 17, &s, 1);
    for rank in 1..=10 {
        let cut = truncated(&a, 24, 17, rank, Truncation::Exact).unwrap();
        let (left, tail) = (norm(&residual(&a, &cut)), s[rank..].iter().map(|s| s * s).sum::<f64>().sqrt());
        assert!((left - tail).abs() < 1e-6, "rank {rank}: {left}, by Eckart–Young {tail}");
        let next = singular_values(&residual(&a, &cut), 24, 17).unwrap()[0];
        let wanted = s.get(rank).copied().unwrap_or(0.0);
        assert!((f64::from(next) - wanted).abs() < 1e-6, "rank {rank}: ‖residual‖₂ {next}, {wanted}");
    }
}

#[test]
fn a_small_part_of_a_large_matrix_is_the_beginning_of_the_svd() {
    let geometric = |ratio: f64| (0..150).map(|i| ratio.powi(i)).collect::<Vec<_>>();
    let repeated: Vec<f64> = (0..150).map(|i| if i < 5 { 3.0 } else { 1.0 - 0.002 * f64::from(i) }).collect();
    let spiked: Vec<f64> = (0..150).map(|i| if i == 0 { 1e4 } else { 1.0 / f64::from(i) }).collect();
    let cases = [
        ("gaussian", gaussian(160, 300, 5), 160, 300),
        ("steep", with_spectrum(160, 200, &geometric(0.8), 2), 160, 200),
        ("flat", with_spectrum(200, 160, &geometric(0.998), 3), 200, 160),
        ("repeated", with_spectrum(160, 170, &repeated, 4), 160, 170),
        ("spiked", with_spectrum(170, 160, &spiked, 6), 170, 160),
        ("of rank 3", with_spectrum(160, 180, &[3.0, 2.0, 1.0], 7), 160, 180),
        ("zero", vec![0.0; 160 * 160], 160, 160),
    ];
    for (name, a, rows, columns) in cases {
        let rank = 8;
        let (whole, cut) =
            (svd(&a, rows, columns).unwrap(), truncated(&a, rows, columns, rank, Truncation::Exact).unwrap());
        let largest = f64::from(whole.s[0]).max(f64::MIN_POSITIVE);
        for (found, expected) in cut.s.iter().zip(&whole.s) {
            assert!(f64::from((found - expected).abs()) <= 3e-7 * largest, "{name}: {found}, {expected}");
        }
        assert!(cut.orthonormality_defect().unwrap() < 1e-6, "{name}");
        assert_signs_fixed(&cut, name);
        // By Eckart–Young nothing of this rank comes nearer.
        let tail = whole.s[rank..].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>().sqrt();
        let left = norm(&residual(&a, &cut));
        assert!(left <= tail + 3e-7 * norm(&a), "{name}: {left}, at best {tail}");
    }
}

#[test]
fn an_exact_cut_is_the_beginning_of_the_svd() {
    let a = gaussian(12, 9, 3);
    let (whole, cut) = (svd(&a, 12, 9).unwrap(), truncated(&a, 12, 9, 4, Truncation::Exact).unwrap());
    assert_eq!(cut.s, whole.s[..4]);
    assert_eq!(cut.vt, whole.vt[..4 * 9]);
    let columns: Vec<f32> = whole.u.chunks_exact(9).flat_map(|row| row[..4].to_vec()).collect();
    assert_eq!(cut.u, columns);
}

#[test]
fn reconstruction_in_single_precision_is_close() {
    for Case { name, rows, columns, a } in awkward() {
        let back = svd(&a, rows, columns).unwrap().reconstruct();
        let apart: Vec<f32> = back.iter().zip(&a).map(|(x, y)| x - y).collect();
        // Subnormal numbers have fewer bits: a few of their steps (1.4e-45) are allowed on top.
        assert!(norm(&apart) <= 1e-6 * norm(&a) + 1e-43, "{name}: {}", norm(&apart) / norm(&a));
    }
}

#[test]
fn threads_change_no_bit() {
    let a = gaussian(300, 260, 11);
    let cut = || truncated(&a, 300, 260, 20, Truncation::randomized(5)).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (svd(&a, 300, 260).unwrap(), cut()))
    };
    let alone = with(1);
    assert!(with(2) == alone && with(5) == alone);
}

#[test]
fn energy_rank_finds_a_known_rank() {
    let s = singular_values(&with_spectrum(30, 24, &[4.0, 2.0, 1.0], 8), 30, 24).unwrap();
    assert_eq!(energy_rank(&s, 0.999), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_small_matrix_has_its_svd(
        (rows, columns) in (1usize..14, 1usize..14),
        seed in 0u64..1000,
        zeros in 0.0f32..1.0,
    ) {
        // Sparse small integers: many ties, repeated values and lost ranks.
        let mut rng = rankine_random::Rng::new(seed);
        let mut entry = || if rng.uniform() < zeros { 0.0 } else { rng.below(5) as f32 - 2.0 };
        let a = (0..rows * columns).map(|_| entry()).collect();
        assert_is_svd(&Case { name: "small integers", rows, columns, a });
    }
}

/// Most singular values are zero but for rounding.
#[test]
fn large_matrices_of_low_rank_have_their_svd() {
    for (seed, rows, columns, rank) in
        [(0, 256, 784, 64), (1, 256, 256, 42), (2, 256, 784, 64), (3, 200, 300, 10)]
    {
        let (b, a) = (gaussian(rows, rank, seed), gaussian(rank, columns, seed + 100));
        let entry = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            (0..rank).map(|k| b[row * rank + k] * a[k * columns + column]).sum()
        };
        let a: Vec<f32> = (0..rows * columns).map(entry).collect();
        let svd = assert_is_svd(&Case { name: "a product", rows, columns, a });
        assert!(svd.s[rank] < 1e-5 * svd.s[0] && svd.s[rank - 1] > 1e-3 * svd.s[0], "{rows} × {columns}");
    }
}
