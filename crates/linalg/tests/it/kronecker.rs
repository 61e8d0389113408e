//! Kronecker products, Hermitian eigenvalues, the growing QR and non-negative least squares.

use faer::{Mat, MatRef, c64};
use proptest::prelude::*;
use rankine_linalg::{
    Error, GrowingQr, eigh, kronecker, kronecker_apply, multiply, nonnegative_least_squares, outer,
};
use rankine_random::Rng;

fn complex(rows: usize, columns: usize, rng: &mut Rng) -> Mat<c64> {
    Mat::from_fn(rows, columns, |_, _| c64::new(rng.normal_f64(), rng.normal_f64()))
}

fn real(rows: usize, columns: usize, rng: &mut Rng) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

fn column<T: Copy>(matrix: MatRef<'_, T>, j: usize) -> Vec<T> {
    matrix.col(j).iter().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn applying_is_multiplying_by_the_formed_product(
        sizes in prop::collection::vec((1usize..5, 1usize..5), 0..4),
        seed in 0u64..1000,
    ) {
        let mut rng = Rng::new(seed);
        let factors: Vec<_> = sizes.iter().map(|&(m, n)| complex(m, n, &mut rng)).collect();
        let views: Vec<_> = factors.iter().map(Mat::as_ref).collect();
        let formed = kronecker(&views);
        let x = complex(formed.ncols(), 1, &mut rng);
        let expected = multiply(formed.as_ref(), x.as_ref());
        let found = kronecker_apply(&views, &column(x.as_ref(), 0)).unwrap();
        prop_assert_eq!(found.len(), formed.nrows());
        let apart = found.iter().zip(column(expected.as_ref(), 0)).map(|(x, y)| (x - y).norm());
        prop_assert!(apart.fold(0.0, f64::max) < 1e-12 * (1.0 + expected.norm_l2()));
    }

    #[test]
    fn no_other_non_negative_point_is_closer(rows in 1usize..9, columns in 1usize..9, seed in 0u64..1000) {
        let mut rng = Rng::new(seed);
        let a = real(rows, columns, &mut rng);
        let b: Vec<f64> = (0..rows).map(|_| rng.normal_f64()).collect();
        let x = nonnegative_least_squares(a.as_ref(), &b).unwrap();
        let fitted = kronecker_apply(&[a.as_ref()], &x).unwrap();
        let residual: Vec<f64> = b.iter().zip(fitted).map(|(b, f)| b - f).collect();
        let gradient = kronecker_apply(&[a.transpose()], &residual).unwrap();
        for (x, gradient) in x.iter().zip(gradient) {
            prop_assert!(0.0 <= *x);
            prop_assert!(if *x > 0.0 { gradient.abs() < 1e-9 } else { gradient < 1e-9 }, "{x} {gradient}");
        }
    }

    #[test]
    fn a_growing_qr_solves_least_squares(rows in 1usize..9, columns in 1usize..9, seed in 0u64..1000) {
        let mut rng = Rng::new(seed);
        let columns = columns.min(rows);
        let (a, y) = (complex(rows, columns, &mut rng), complex(rows, 1, &mut rng));
        let mut qr = GrowingQr::new();
        prop_assert!((0..columns).all(|j| qr.push(&column(a.as_ref(), j))));
        prop_assert!(!qr.push(&column(a.as_ref(), 0)), "a repeated column is not new");
        let y = column(y.as_ref(), 0);
        let x = qr.least_squares(&y);
        let inverse = qr.pseudo_inverse();
        let again = kronecker_apply(&[inverse.as_ref()], &y).unwrap();
        let left: Vec<c64> =
            kronecker_apply(&[a.as_ref()], &x).unwrap().iter().zip(&y).map(|(f, y)| f - y).collect();
        let normal = multiply(a.adjoint(), MatRef::from_column_major_slice(&left, rows, 1));
        prop_assert!(normal.norm_l2() < 1e-10 * (1.0 + a.norm_l2()));
        prop_assert!(x.iter().zip(&again).all(|(x, y)| (x - y).norm() < 1e-10 * (1.0 + x.norm())));
    }
}

#[test]
fn eigenvectors_are_unitary_and_rebuild_the_matrix() {
    let mut rng = Rng::new(3);
    for size in [1, 2, 7, 40] {
        let half = complex(size, size, &mut rng);
        let a = &half + half.adjoint().to_owned();
        let eigen = eigh(a.as_ref()).unwrap();
        assert!(eigen.values.is_sorted());
        let scaled = Mat::from_fn(size, size, |i, j| eigen.vectors[(i, j)] * eigen.values[j]);
        let rebuilt = multiply(scaled.as_ref(), eigen.vectors.adjoint());
        assert!((rebuilt - &a).norm_l2() < 1e-12 * a.norm_l2(), "{size}");
        let unit = multiply(eigen.vectors.adjoint(), eigen.vectors.as_ref());
        assert!((unit - Mat::<c64>::identity(size, size)).norm_l2() < 1e-12, "{size}");
    }
    assert!(matches!(eigh(real(2, 3, &mut rng).as_ref()), Err(Error::Length { .. })));
}

#[test]
fn an_outer_product_is_a_kronecker_product_of_columns() {
    let mut rng = Rng::new(5);
    let (a, b) = (real(3, 1, &mut rng), real(2, 1, &mut rng));
    let expected = kronecker(&[a.as_ref(), b.as_ref()]);
    let found = outer(&[&column(a.as_ref(), 0)[..], &column(b.as_ref(), 0)[..]]);
    assert_eq!(found, column(expected.as_ref(), 0));
    assert_eq!(outer::<f64>(&[[0.0; 0]; 0]), [1.0]);
}

#[test]
fn vectors_of_a_wrong_length_are_refused() {
    let a = Mat::<f64>::zeros(2, 3);
    let found = kronecker_apply(&[a.as_ref(), a.as_ref()], &[0.0; 8]);
    assert_eq!(found, Err(Error::Array { shape: vec![3, 3], found: 8 }));
    assert!(nonnegative_least_squares(a.as_ref(), &[0.0; 3]).is_err());
}

#[test]
fn zeros_and_repeated_columns_have_a_non_negative_solution() {
    let a = Mat::from_fn(3, 4, |i, j| if j < 2 { 1.0 + i as f64 } else { 0.0 });
    let x = nonnegative_least_squares(a.as_ref(), &[1.0, 2.0, 3.0]).unwrap();
    assert!((x[0] + x[1] - 1.0).abs() < 1e-12 && x[2] == 0.0 && x[3] == 0.0, "{x:?}");
}
