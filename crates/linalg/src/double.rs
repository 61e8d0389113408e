//! Decompositions and products of faer's matrices in double precision, always on the calling thread.
//!
//!     A = U · diag(s) · Vᵀ        A = Q · R        P · X = B
//!
//! Parallelism inside would change the last bits with the number of threads; callers cut their work themselves.

pub use crate::dense::Factors as Triples;
pub use crate::hermitian::{multiply, multiply_while};
pub use faer::{Mat, MatRef};

use crate::{Error, Going, Result, always, dense, panels};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::{MatMut, Par};

/// The thin SVD.
///
/// # Errors
/// When the matrix is empty or the iteration does not settle, as with entries that are not finite.
pub fn thin_svd(a: MatRef<'_, f64>) -> Result<Triples> {
    filled(a)?;
    dense::thin_svd(a)
}

/// Singular values, descending; [min(rows, columns)].
///
/// # Errors
/// As [`thin_svd`].
pub fn svd_values(a: MatRef<'_, f64>) -> Result<Vec<f64>> {
    filled(a)?;
    dense::values(a)
}

/// Q with orthonormal columns and R upper triangular with Q·R = a, of a matrix with no more columns than rows. Q is orthonormal
/// even where a lacks rank.
pub fn thin_qr(a: MatRef<'_, f64>) -> (Mat<f64>, Mat<f64>) {
    let q = orthonormal_basis(a.to_owned());
    let mut r = multiply(q.transpose(), a);
    for column in 0..r.ncols() {
        for row in column + 1..r.nrows() {
            r[(row, column)] = 0.0;
        }
    }
    (q, r)
}

/// The same, asked between panels of columns.
///
/// # Errors
/// When `going` stops it.
pub fn thin_qr_while(a: Mat<f64>, going: &Going<'_>) -> Result<(Mat<f64>, Mat<f64>)> {
    panels::thin_qr(a, going)
}

/// The Q of [`thin_qr`] alone.
pub fn orthonormal_basis(a: Mat<f64>) -> Mat<f64> {
    dense::orthonormal_basis(a)
}

/// L of P = L·Lᵀ in the lower triangle of p, of which alone it is read, and what is above it spoilt; the first pivot that is not
/// above zero, where there is one.
///
/// # Errors
/// When `going` stops it.
pub fn cholesky(p: MatMut<'_, f64>, going: &Going<'_>) -> Result<Option<usize>> {
    dense::cholesky(p, going)
}

/// X with p·X = b, by Cholesky's decomposition of p, of which the lower triangle is read and all is spoilt; `None` where p is not
/// positive definite.
pub fn solve_positive(mut p: MatMut<'_, f64>, mut b: Mat<f64>) -> Option<Mat<f64>> {
    if cholesky(p.as_mut(), &always) != Ok(None) {
        return None;
    }
    let mut memory =
        MemBuffer::new(llt::solve::solve_in_place_scratch::<f64>(p.nrows(), b.ncols(), Par::Seq));
    llt::solve::solve_in_place(p.as_ref(), b.as_mut(), Par::Seq, MemStack::new(&mut memory));
    b.is_all_finite().then_some(b)
}

/// Whether there is anything to decompose.
fn filled(a: MatRef<'_, f64>) -> Result<()> {
    let (rows, columns) = a.shape();
    if rows == 0 || columns == 0 { Err(Error::Empty { rows, columns }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Eigen, eigh, eigvalsh};
    use rankine_random::Rng;

    fn random(rows: usize, columns: usize) -> Mat<f64> {
        let mut rng = Rng::new(3).fork_index("double", rows);
        Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
    }

    fn near(found: &Mat<f64>, expected: &Mat<f64>) {
        assert!((found - expected).norm_l2() < 1e-12 * expected.norm_l2().max(1.0));
    }

    #[test]
    fn each_decomposition_gives_its_matrix_back() {
        for (rows, columns) in [(1, 1), (7, 3), (40, 40)] {
            let a = random(rows, columns);
            let Triples { u, s, v } = thin_svd(a.as_ref()).unwrap();
            let scaled = Mat::from_fn(rows, columns, |i, j| u[(i, j)] * s[j]);
            near(&multiply(scaled.as_ref(), v.transpose()), &a);
            assert_eq!(svd_values(a.as_ref()).unwrap().len(), columns);

            let (q, r) = thin_qr(a.as_ref());
            near(&multiply(q.as_ref(), r.as_ref()), &a);
            near(&multiply(q.transpose(), q.as_ref()), &Mat::identity(columns, columns));

            let gram = multiply(a.transpose(), a.as_ref());
            let Eigen { values, vectors } = eigh(gram.as_ref()).unwrap();
            assert!(values.is_sorted());
            let alone = eigvalsh(gram.as_ref()).unwrap();
            assert!(alone.iter().zip(&values).all(|(x, y)| (x - y).abs() < 1e-12 * gram.norm_l2()));
            let scaled = Mat::from_fn(columns, columns, |i, j| vectors[(i, j)] * values[j]);
            near(&multiply(scaled.as_ref(), vectors.transpose()), &gram);
            let found = solve_positive(gram.clone().as_mut(), gram).unwrap();
            assert!((&found - Mat::<f64>::identity(columns, columns)).norm_l2() < 1e-6);
        }
    }

    #[test]
    fn a_matrix_without_rank_has_an_orthonormal_basis_and_no_inverse() {
        let thin = random(6, 1);
        let a = multiply(thin.as_ref(), Mat::from_fn(1, 3, |_, j| j as f64).as_ref());
        let (q, r) = thin_qr(a.as_ref());
        near(&multiply(q.as_ref(), r.as_ref()), &a);
        near(&multiply(q.transpose(), q.as_ref()), &Mat::identity(3, 3));
        let mut negative = Mat::from_fn(2, 2, |i, j| if i == j { -1.0 } else { 0.0 });
        assert_eq!(solve_positive(negative.as_mut(), Mat::identity(2, 2)), None);
        let mut indefinite = Mat::from_fn(3, 3, |i, j| if i == j { [2.0, 1.0, -1.0][i] } else { 0.0 });
        assert_eq!(cholesky(indefinite.as_mut(), &|| true), Ok(Some(2)));
        assert_eq!(cholesky(indefinite.as_mut(), &|| false), Err(Error::Interrupted));
    }

    #[test]
    fn what_is_not_finite_or_empty_is_refused() {
        let a = Mat::from_fn(2, 2, |_, _| f64::NAN);
        assert!(thin_svd(a.as_ref()).is_err() && eigh(a.as_ref()).is_err());
        assert_eq!(thin_svd(Mat::zeros(0, 2).as_ref()), Err(Error::Empty { rows: 0, columns: 2 }));
    }
}
