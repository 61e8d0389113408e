//! Wrong input is an error that says what was found.

use rankine_linalg::{
    Error, LowRank, Svd, Truncation, orthonormality_defect, singular_values, svd, truncated,
};

#[test]
fn a_slice_of_the_wrong_length_is_refused() {
    let wrong = Error::Length { rows: 2, columns: 3, found: 5 };
    assert_eq!(svd(&[0.0; 5], 2, 3), Err(wrong.clone()));
    assert_eq!(orthonormality_defect(&[0.0; 5], 2, 3), Err(wrong));
    assert_eq!(
        singular_values(&[], usize::MAX, 2),
        Err(Error::Length { rows: usize::MAX, columns: 2, found: 0 })
    );
}

#[test]
fn an_empty_matrix_is_refused() {
    assert_eq!(svd(&[], 0, 3), Err(Error::Empty { rows: 0, columns: 3 }));
    assert_eq!(singular_values(&[], 3, 0), Err(Error::Empty { rows: 3, columns: 0 }));
}

#[test]
fn an_entry_that_is_not_finite_is_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let a = [1.0, 2.0, 3.0, 4.0, bad, 6.0];
        for error in [
            svd(&a, 2, 3).unwrap_err(),
            singular_values(&a, 2, 3).unwrap_err(),
            truncated(&a, 2, 3, 1, Truncation::randomized(0)).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotFinite { row: 1, column: 1, .. }), "{error}");
            assert!(error.to_string().contains("row 1, column 1") && error.hint().is_some());
        }
    }
}

#[test]
fn a_rank_of_zero_or_above_the_smaller_side_is_refused() {
    let a = vec![1.0; 12];
    for how in [Truncation::Exact, Truncation::randomized(0)] {
        for rank in [0, 4, usize::MAX] {
            let error = truncated(&a, 3, 4, rank, how).unwrap_err();
            assert_eq!(error, Error::Rank { rank, limit: 3, rows: 3, columns: 4 });
        }
        assert_eq!(truncated(&a, 3, 4, 3, how).map(|svd| svd.rank), Ok(3));
    }
    let error = truncated(&a, 3, 4, 9, Truncation::Exact).unwrap_err();
    assert_eq!(error.to_string(), "a [3, 4] matrix takes a rank from 1 to 3; found 9");
    assert_eq!(error.hint().as_deref(), Some("choose a rank of at most 3"));
}

#[test]
fn a_singular_value_above_the_format_is_refused() {
    let error = svd(&[f32::MAX; 4], 2, 2).unwrap_err();
    assert!(matches!(error, Error::Overflow { value } if value > 6.8e38 && value < 6.9e38), "{error}");
}

#[test]
fn low_rank_products_are_checked() {
    let product = LowRank { b: &[1.0, 2.0], a: &[3.0, 4.0, 5.0], rows: 2, columns: 3, rank: 1, scale: 2.0 };
    let norm = 2.0 * 5f32.sqrt() * 50f32.sqrt();
    assert!((product.singular_values().unwrap()[0] - norm).abs() < 1e-4);
    let with_scale = |scale| LowRank { scale, ..product }.singular_values();
    assert_eq!(with_scale(0.0), Ok(vec![0.0]));
    assert_eq!(with_scale(f64::INFINITY), Err(Error::Scale { found: f64::INFINITY }));
    assert!(matches!(LowRank { rank: 2, ..product }.singular_values(), Err(Error::Length { .. })));
    let bad = LowRank { b: &[f32::NAN, 1.0], ..product };
    assert!(matches!(bad.singular_values(), Err(Error::NotFinite { row: 0, column: 0, .. })));
}

#[test]
fn an_estimate_needs_the_same_matrix() {
    let svd: Svd = svd(&[1.0, 0.0, 0.0, 2.0], 2, 2).unwrap();
    assert_eq!(svd.error_estimate(&[1.0], 0), Err(Error::Length { rows: 2, columns: 2, found: 1 }));
}
