//! All singular values by way of the smaller Gram matrix.
//!
//!     G = A·Aᵀ or Aᵀ·A, whichever is smaller, in f64        s = √λ(G)
//!
//! Costs rows·columns·min(rows, columns) multiply-adds at the speed of a product, and the eigenvalues of G: a fraction of an SVD,
//! and no copy of A in f64. G squares the spectrum: values above 1e-4·s₁ come out to the last bit of f32, smaller ones to
//! 1e-7·s₁, which is less than an SVD in f32 loses everywhere. Who needs the ratios of tiny values takes
//! [`singular_values`](crate::singular_values).

use crate::{Result, dense, eigvalsh};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, Par};

/// Rows or columns that are widened at a time.
const STRIP: usize = 256;

/// The singular values of a, descending, within 1e-7 of the largest; a: row-major [rows, columns]; [min(rows, columns)].
///
/// # Errors
/// As [`crate::svd`].
pub fn gram_singular_values(a: &[f32], rows: usize, columns: usize) -> Result<Vec<f32>> {
    dense::check(a, rows, columns)?;
    let squares = eigvalsh(smaller_gram(a, rows, columns).as_ref())?;
    let s: Vec<f64> = squares.into_iter().rev().map(|square| square.max(0.0).sqrt()).collect();
    dense::narrow(&s, 1.0)
}

/// A·Aᵀ, or Aᵀ·A where that is smaller; the lower triangle alone.
fn smaller_gram(a: &[f32], rows: usize, columns: usize) -> Mat<f64> {
    let (short, long) = (rows.min(columns), rows.max(columns));
    let (half, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    let mut gram = Mat::zeros(short, short);
    for start in (0..long).step_by(STRIP) {
        // Where along the longer side `step` lies, and where along the shorter one `side`.
        let number = |side: usize, step: usize| match rows <= columns {
            true => f64::from(a[side * columns + start + step]),
            false => f64::from(a[(start + step) * columns + side]),
        };
        let strip = Mat::from_fn(short, STRIP.min(long - start), number);
        let (target, transposed) = (gram.as_mut(), strip.transpose());
        triangular::matmul(target, half, Accum::Add, strip.as_ref(), whole, transposed, whole, 1.0, Par::Seq);
    }
    gram
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::singular_values;
    use rankine_random::Rng;

    #[test]
    fn the_values_are_those_of_the_svd() {
        for (rows, columns) in [(1, 1), (1, 700), (700, 40), (40, 700), (90, 90)] {
            let a = Rng::new(2).fork_index("rows", rows).normals(rows * columns, 0.3);
            let found = gram_singular_values(&a, rows, columns).unwrap();
            let expected = singular_values(&a, rows, columns).unwrap();
            let scale = expected[0];
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 2e-7 * scale, "{rows} × {columns}: {found} {expected}");
            }
        }
    }

    #[test]
    fn what_is_lost_is_small_beside_the_largest() {
        let diagonal = [8.0_f32, 1.0, 1e-3, 1e-6, 0.0];
        let mut a = vec![0.0; 25];
        diagonal.iter().enumerate().for_each(|(at, &s)| a[at * 6] = s);
        let found = gram_singular_values(&a, 5, 5).unwrap();
        assert!(found.iter().zip(diagonal).all(|(found, s)| (found - s).abs() <= 1e-7 * 8.0), "{found:?}");
        assert!(found.is_sorted_by(|above, below| below <= above));
        assert!(gram_singular_values(&[f32::NAN], 1, 1).is_err() && gram_singular_values(&[], 0, 1).is_err());
    }
}
