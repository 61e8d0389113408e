//! The leading part of a QR decomposition.
//!
//!     A = Q · R        A: [rows, columns]  Q: [rows, k] orthonormal  R: [k, columns] upper triangular
//!
//! The first `rank` columns of Q span the first `rank` columns of A and need no others, so that they cost
//! O(rows · rank²), and the first rows of R one product Qᵀ·A. The diagonal of R is not negative, which makes the
//! decomposition unique wherever those columns are independent.

use crate::{Error, Result, dense};
use faer::Mat;

/// The first columns of Q and rows of R.
#[derive(Clone, Debug, PartialEq)]
pub struct Qr {
    /// Orthonormal columns, row-major; [rows, rank].
    pub q: Vec<f32>,
    /// Upper triangular, row-major; [rank, columns].
    pub r: Vec<f32>,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// How many columns of Q there are.
    pub rank: usize,
}

/// The leading QR factors of a; a: row-major [rows, columns].
///
/// # Errors
/// When the slice does not fit the shape, the matrix is empty or has an entry that is not finite, and when the rank
/// is 0 or above the smaller side.
pub fn qr(a: &[f32], rows: usize, columns: usize, rank: usize) -> Result<Qr> {
    dense::check(a, rows, columns)?;
    let limit = rows.min(columns);
    if rank == 0 || rank > limit {
        return Err(Error::Rank { rank, limit, rows, columns });
    }
    let leading = Mat::from_fn(rows, rank, |row, column| f64::from(a[row * columns + column]));
    let q = dense::orthonormal_basis(leading);
    let r = dense::multiply(q.transpose(), dense::widen(a, rows, columns).as_ref());
    let sign = |k: usize| if r[(k, k)] < 0.0 { -1.0 } else { 1.0 };
    let q = (0..rows)
        .flat_map(|row| (0..rank).map(move |k| (row, k)))
        .map(|(row, k)| (q[(row, k)] * sign(k)) as f32);
    let upper = |k: usize, column: usize| if k <= column { (r[(k, column)] * sign(k)) as f32 } else { 0.0 };
    let r = (0..rank)
        .flat_map(|k| (0..columns).map(move |column| (k, column)))
        .map(|(k, column)| upper(k, column));
    Ok(Qr { q: q.collect(), r: r.collect(), rows, columns, rank })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orthonormality_defect;
    use rankine_random::Rng;

    fn random(rows: usize, columns: usize) -> Vec<f32> {
        Rng::new(7).fork("qr").normals(rows * columns, 1.0)
    }

    fn product(qr: &Qr) -> Vec<f64> {
        let term = |row: usize, k: usize, column: usize| {
            f64::from(qr.q[row * qr.rank + k]) * f64::from(qr.r[k * qr.columns + column])
        };
        let entry = |row: usize, column: usize| (0..qr.rank).map(|k| term(row, k, column)).sum();
        (0..qr.rows * qr.columns).map(|i| entry(i / qr.columns, i % qr.columns)).collect()
    }

    #[test]
    fn the_whole_decomposition_gives_the_matrix_back() {
        for (rows, columns) in [(1, 1), (7, 3), (3, 7), (5, 5), (40, 30)] {
            let a = random(rows, columns);
            let qr = qr(&a, rows, columns, rows.min(columns)).unwrap();
            let worst =
                product(&qr).iter().zip(&a).map(|(x, &y)| (x - f64::from(y)).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "[{rows}, {columns}]: {worst}");
            assert!(orthonormality_defect(&qr.q, rows, qr.rank).unwrap() < 1e-6);
        }
    }

    #[test]
    fn the_leading_part_is_that_of_the_whole() {
        let a = random(9, 6);
        let (part, whole) = (qr(&a, 9, 6, 2).unwrap(), qr(&a, 9, 6, 6).unwrap());
        for (row, columns) in part.q.chunks_exact(2).zip(whole.q.chunks_exact(6)) {
            assert!((row[0] - columns[0]).abs() < 1e-6 && (row[1] - columns[1]).abs() < 1e-6);
        }
        assert!(part.r.iter().zip(&whole.r).all(|(x, y)| (x - y).abs() < 1e-6));
        for k in 0..2 {
            assert!(0.0 < part.r[k * 6 + k] && part.r[k * 6..k * 6 + k].iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn a_matrix_that_lacks_rank_still_has_a_basis() {
        let qr = qr(&[0.0; 12], 4, 3, 2).unwrap();
        assert!(orthonormality_defect(&qr.q, 4, 2).unwrap() < 1e-6);
        assert!(qr.r.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn ranks_and_shapes_are_checked() {
        for rank in [0, 4] {
            assert!(matches!(qr(&[1.0; 12], 4, 3, rank), Err(Error::Rank { limit: 3, .. })));
        }
        assert!(matches!(qr(&[1.0; 11], 4, 3, 1), Err(Error::Length { .. })));
        assert!(matches!(qr(&[f32::NAN; 12], 4, 3, 1), Err(Error::NotFinite { .. })));
    }
}
