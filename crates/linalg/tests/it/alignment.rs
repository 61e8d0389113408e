//! Which leading directions of a matrix another one did not have: the invariants of [intruder].

use crate::matrices::{gaussian, with_spectrum};
use rankine_linalg::{Alignment, Svd, alignment, singular_values, svd};

const TOP: usize = 10;

fn falling(count: usize) -> Vec<f64> {
    (1..=count).map(|i| 10.0 * (i as f64).powf(-0.7)).collect()
}

/// A direction of length `factor` times the largest singular value; row-major [rows, columns].
fn spiked(before: &[f32], rows: usize, columns: usize, factor: f64) -> Vec<f32> {
    let largest = f64::from(singular_values(before, rows, columns).unwrap()[0]);
    let spike = with_spectrum(rows, columns, &[factor * largest], 77);
    before.iter().zip(spike).map(|(x, y)| x + y).collect()
}

fn compared(before: &[f32], after: &[f32], rows: usize, columns: usize) -> (Svd, Alignment) {
    let found = alignment(before, after, rows, columns, TOP).unwrap();
    let counts = |epsilon: f64, top: usize| found.1.intruders(epsilon, top).len();
    for at in 1..TOP {
        let epsilon = at as f64 / TOP as f64;
        assert!(counts(epsilon, TOP) <= counts(epsilon + 0.1, TOP), "more with a larger ε");
        assert!(counts(epsilon, at) <= counts(epsilon, at + 1), "more with a larger k");
    }
    found
}

#[test]
fn a_matrix_has_no_intruders_beside_itself() {
    for (rows, columns) in [(48, 64), (64, 48), (20, 3)] {
        let a = with_spectrum(rows, columns, &falling(rows.min(columns)), 3);
        let (leading, found) = compared(&a, &a, rows, columns);
        assert_eq!(found.cosines.len(), TOP.min(columns));
        assert!(found.cosines.iter().chain(&found.inside).all(|cosine| (cosine - 1.0).abs() < 1e-5));
        assert!(found.nearest.iter().copied().eq(0..leading.rank));
        assert!(found.intruders(0.999, TOP).is_empty());
        for (j, row) in found.similarity.iter().enumerate() {
            let one = |i: usize| f64::from(u8::from(i == j));
            assert!(row.iter().enumerate().all(|(i, cosine)| (cosine - one(i)).abs() < 1e-5));
        }
    }
}

#[test]
fn a_large_new_direction_is_the_only_intruder() {
    for (rows, columns) in [(96, 128), (128, 96)] {
        let a = with_spectrum(rows, columns, &falling(96), 5);
        let (leading, found) = compared(&a, &spiked(&a, rows, columns, 3.0), rows, columns);
        assert_eq!(found.intruders(0.5, TOP), [0], "{:?}", found.cosines);
        assert!((leading.s[0] / leading.s[1] - 3.0).abs() < 0.3);
        // Of a tall matrix, part of the new direction is outside of everything that was there.
        assert_eq!(found.inside[0] < 0.95, columns < rows, "{}", found.inside[0]);
    }
}

#[test]
fn other_singular_values_of_the_same_vectors_are_no_intruders() {
    let (before, mut other) = (falling(40), falling(40));
    other.reverse();
    other[7] *= 5.0;
    let (a, b) = (with_spectrum(64, 50, &before, 9), with_spectrum(64, 50, &other, 9));
    let (_, found) = compared(&a, &b, 64, 50);
    assert!(found.cosines.iter().all(|cosine| (cosine - 1.0).abs() < 1e-5), "{:?}", found.cosines);
    assert!(found.nearest.contains(&7) && found.nearest.contains(&39));
}

/// Any basis of equal singular values will do.
#[test]
fn vectors_of_equal_singular_values_are_compared_with_what_they_span() {
    let mut identity = vec![0.0; 30 * 30];
    identity.iter_mut().step_by(31).for_each(|x| *x = 2.0);
    let (_, found) = compared(&identity, &with_spectrum(30, 30, &falling(30), 4), 30, 30);
    assert!(found.cosines.iter().all(|cosine| (cosine - 1.0).abs() < 1e-5));
}

#[test]
fn the_short_way_finds_the_cosines_of_the_whole_decomposition() {
    let (rows, columns) = (150, 170);
    let before = gaussian(rows, columns, 1);
    let change = with_spectrum(rows, columns, &[60.0, 50.0, 40.0, 32.0], 2);
    let after: Vec<f32> = before.iter().zip(change).map(|(x, y)| x + y).collect();
    let (_, found) = compared(&before, &after, rows, columns);
    let (base, tuned) = (svd(&before, rows, columns).unwrap(), svd(&after, rows, columns).unwrap());
    let dot = |i: usize, j: usize| {
        let terms =
            (0..rows).map(|row| f64::from(base.u[row * rows + i]) * f64::from(tuned.u[row * rows + j]));
        terms.sum::<f64>().abs()
    };
    for (j, cosine) in found.cosines.iter().enumerate() {
        let expected = (0..rows).map(|i| dot(i, j)).fold(0.0, f64::max);
        assert!((cosine - expected).abs() < 1e-4, "{j}: {cosine}, {expected}");
    }
    assert_eq!(found.intruders(0.5, 4).len(), 4);
}

#[test]
fn what_is_not_there_is_not_looked_at() {
    let low = with_spectrum(24, 20, &[3.0, 2.0], 8);
    let (_, found) = compared(&low, &low, 24, 20);
    assert_eq!(found.cosines.len(), 2);
    // Where the base had nothing, everything is new.
    let (_, found) = compared(&[0.0; 480], &low, 24, 20);
    assert_eq!((found.intruders(0.1, TOP).len(), found.inside[0]), (2, 0.0));
    let (_, found) = compared(&low, &[0.0; 480], 24, 20);
    assert!(found.cosines.is_empty());
    assert!(alignment(&low, &low, 24, 20, 0).is_err());
    assert!(alignment(&[f32::NAN; 480], &low, 24, 20, 1).is_err());
}
