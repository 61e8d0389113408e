//! Components and moments of batches are those of all rows together.

use crate::matrices::{gaussian, with_spectrum};
use rankine_linalg::{Error, IncrementalPca, SecondMoment, Svd, Truncation, orthonormality_defect, svd};

const ROWS: usize = 40;
const COLUMNS: usize = 6;

/// Rows about a mean that is far from 0, with a falling spectrum.
fn rows() -> Vec<f32> {
    let s: Vec<f64> = (0..COLUMNS).map(|j| 0.8f64.powi(j as i32)).collect();
    let about = with_spectrum(ROWS, COLUMNS, &s, 5);
    about.iter().enumerate().map(|(at, x)| x + 0.3 * (at % COLUMNS) as f32).collect()
}

/// The SVD of rows less their mean.
fn whole(rows: &[f32], columns: usize) -> Svd {
    let count = rows.len() / columns;
    let mean =
        |j: usize| rows.iter().skip(j).step_by(columns).map(|&x| f64::from(x)).sum::<f64>() / count as f64;
    let means: Vec<f64> = (0..columns).map(mean).collect();
    let centred: Vec<f32> =
        rows.iter().enumerate().map(|(at, &x)| (f64::from(x) - means[at % columns]) as f32).collect();
    svd(&centred, count, columns).unwrap()
}

fn fitted<'a>(
    batches: impl IntoIterator<Item = &'a [f32]>,
    columns: usize,
    components: usize,
    how: Truncation,
) -> IncrementalPca {
    let mut pca = IncrementalPca::new(components, columns, how);
    for batch in batches {
        pca.partial_fit(batch, batch.len() / columns).unwrap();
    }
    pca
}

fn apart(x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn any_split_in_any_order_has_the_components_of_all_rows() {
    let rows = rows();
    let expected = whole(&rows, COLUMNS);
    let total: f64 = expected.s.iter().map(|&s| f64::from(s).powi(2)).sum();
    for size in [1, 2, 7, 13, 40] {
        let batches: Vec<&[f32]> = rows.chunks(size * COLUMNS).collect();
        let backward: Vec<&[f32]> = batches.iter().rev().copied().collect();
        for batches in [batches, backward] {
            let pca = fitted(batches, COLUMNS, COLUMNS, Truncation::Exact);
            assert_eq!(pca.rows(), ROWS);
            assert!(apart(pca.singular_values(), &expected.s) < 2e-6, "{size}: {:?}", pca.singular_values());
            assert!(apart(pca.components(), &expected.vt) < 2e-5, "{size}");
            for (share, s) in pca.explained_variance_ratio().iter().zip(&expected.s) {
                assert!((share - f64::from(*s).powi(2) / total).abs() < 2e-6, "{size}: {share}");
            }
        }
    }
}

#[test]
fn what_is_cut_off_is_lost_and_the_rest_is_near() {
    let s: Vec<f64> = (0..30).map(|j| 0.6f64.powi(j)).collect();
    let rows = with_spectrum(200, 40, &s, 9);
    let expected = whole(&rows, 40);
    for how in [Truncation::Exact, Truncation::randomized(3)] {
        let pca = fitted(rows.chunks(50 * 40), 40, 5, how);
        assert_eq!((pca.singular_values().len(), pca.components().len()), (5, 5 * 40));
        assert!(orthonormality_defect(pca.components(), 5, 40).unwrap() < 1e-6);
        for (found, expected) in pca.singular_values().iter().zip(&expected.s) {
            assert!(*found < expected * (1.0 + 1e-5) && 0.95 * expected < *found, "{found}, {expected}");
        }
        for row in pca.components().chunks_exact(40) {
            let largest =
                row.iter().fold(0.0f32, |largest, x| if largest.abs() < x.abs() { *x } else { largest });
            assert!(largest > 0.0);
        }
    }
}

#[test]
fn rows_in_a_plane_have_the_variance_of_a_plane() {
    let rows: Vec<f32> = with_spectrum(30, 8, &[3.0, 1.0], 7).iter().map(|x| x + 2.0).collect();
    let pca = fitted(rows.chunks(10 * 8), 8, 5, Truncation::Exact);
    let shares = pca.explained_variance_ratio();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-6 && shares[1] > 0.01, "{shares:?}");
    assert!(shares[2..].iter().all(|share| *share < 1e-10), "{shares:?}");
    let flat = fitted([[0.5; 24].as_slice()], 8, 2, Truncation::Exact);
    assert_eq!(flat.explained_variance_ratio(), [0.0, 0.0], "there is no variance to explain");
}

#[test]
fn components_come_with_the_rows() {
    let rows = gaussian(4, 9, 2);
    let mut pca = IncrementalPca::new(100, 9, Truncation::Exact);
    for (batch, count) in rows.chunks(9).zip([1, 3, 5, 7]) {
        pca.partial_fit(batch, 1).unwrap();
        // Each batch adds a row and, but for the first, a correction of the mean.
        assert_eq!(pca.singular_values().len(), count);
    }
    let above = pca.singular_values().iter().filter(|&&s| s > 1e-5).count();
    assert_eq!(above, 3, "four rows differ from their mean in three directions");
}

#[test]
fn moments_are_those_of_all_rows() {
    let rows = gaussian(30, 5, 4);
    let mut moment = SecondMoment::new(5);
    assert_eq!(moment.mean(), [0.0; 25]);
    for batch in rows.chunks(8 * 5) {
        moment.partial_fit(batch, batch.len() / 5).unwrap();
    }
    let product =
        |i: usize, j: usize| rows.chunks(5).map(|row| f64::from(row[i]) * f64::from(row[j])).sum::<f64>();
    for (at, found) in moment.mean().iter().enumerate() {
        assert!((found - product(at / 5, at % 5) / 30.0).abs() < 1e-12, "{at}: {found}");
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let rows = gaussian(12, 4, 6);
    let (mut pca, mut moment) = (IncrementalPca::new(3, 4, Truncation::Exact), SecondMoment::new(4));
    pca.partial_fit(&rows, 12).unwrap();
    moment.partial_fit(&rows, 12).unwrap();
    let (components, mean) = (pca.components().to_vec(), moment.mean());
    let broken = [1.0, 2.0, f32::NAN, 4.0];
    for (bad, rows) in [(&broken[..], 1), (&broken[..3], 1), (&[], 0)] {
        let error = pca.partial_fit(bad, rows).unwrap_err();
        assert!(matches!(
            error,
            Error::NotFinite { row: 0, column: 2, .. } | Error::Length { .. } | Error::Empty { .. }
        ));
        assert_eq!(moment.partial_fit(bad, rows).unwrap_err().to_string(), error.to_string());
    }
    assert_eq!((pca.rows(), pca.components(), moment.mean()), (12, components.as_slice(), mean));
}
