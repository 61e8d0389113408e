//! Orthonormal bases of tall blocks by way of their Gram matrix.
//!
//!     G = Yᵀ·Y = L·Lᵀ,  Q = Y·L⁻ᵀ        Y: [side, k], k ≪ side
//!
//! Two products instead of reflections, which go over Y column by column. The defect of Q is the rounding of f64 times the
//! square of the condition of Y, lengths of columns apart. So the diagonal of L is looked at: Lⱼⱼ² / Gⱼⱼ is the squared sine
//! of the angle between column j and those before it, and where one is below [`SINE`], Householder's reflections answer,
//! which give an orthonormal basis of whatever they get.

use crate::dense;
use faer::{Mat, MatRef};

/// The smallest angle of a column with those before it. With 1e-5, defects stay below some 1e-6: what f32 resolves.
const SINE: f64 = 1e-5;

/// The largest defect of a basis from which a second pass leads to rounding.
const NEAR: f64 = 1e-2;

/// Columns that span those of y and are orthonormal to about 1e-6.
pub(crate) fn nearly(y: MatRef<'_, f64>) -> Mat<f64> {
    pass(y, dense::gram(y.transpose())).unwrap_or_else(|| dense::orthonormal_basis(y.to_owned()))
}

/// Columns that span those of y and are orthonormal to the rounding of f64.
pub(crate) fn wholly(y: MatRef<'_, f64>) -> Mat<f64> {
    let twice = || {
        let q = pass(y, dense::gram(y.transpose()))?;
        let gram = dense::gram(q.transpose());
        let one = Mat::<f64>::identity(gram.nrows(), gram.ncols());
        if (&gram - one).norm_max() < NEAR { pass(q.as_ref(), gram) } else { None }
    };
    twice().unwrap_or_else(|| dense::orthonormal_basis(y.to_owned()))
}

/// y · L⁻ᵀ, where the Gram matrix of y says that this is well enough known.
fn pass(y: MatRef<'_, f64>, mut gram: Mat<f64>) -> Option<Mat<f64>> {
    factor(&mut gram)?;
    Some(dense::multiply(y, inverse(&gram).as_ref()))
}

/// The Cholesky factor Lᵀ of a Gram matrix, in its upper triangle.
fn factor(gram: &mut Mat<f64>) -> Option<()> {
    for j in 0..gram.ncols() {
        let length = gram[(j, j)];
        for i in 0..=j {
            let sum: f64 = (0..i).map(|k| gram[(k, i)] * gram[(k, j)]).sum();
            let rest = gram[(i, j)] - sum;
            gram[(i, j)] = if i < j { rest / gram[(i, i)] } else { rest };
        }
        let rest = gram[(j, j)];
        if rest.is_nan() || rest <= SINE * SINE * length {
            return None;
        }
        gram[(j, j)] = rest.sqrt();
    }
    Some(())
}

/// The inverse of an upper triangle; zeros below.
fn inverse(triangle: &Mat<f64>) -> Mat<f64> {
    let count = triangle.ncols();
    let mut inverse = Mat::zeros(count, count);
    for j in 0..count {
        inverse[(j, j)] = 1.0 / triangle[(j, j)];
        // Column j of T·X = 1, from the bottom: X_ij = −Σ_{i<k≤j} T_ik·X_kj / T_ii.
        for i in (0..j).rev() {
            let sum: f64 = (i + 1..=j).map(|k| triangle[(i, k)] * inverse[(k, j)]).sum();
            inverse[(i, j)] = -sum / triangle[(i, i)];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    const SIDE: usize = 80;
    const COUNT: usize = 7;

    fn gaussian() -> Mat<f64> {
        let mut rng = Rng::new(3).fork("orthonormal");
        Mat::from_fn(SIDE, COUNT, |_, _| rng.normal_f64())
    }

    /// Neighbouring columns at a sine of about `sine`, with lengths over ten orders of magnitude.
    fn tilted(sine: f64) -> Mat<f64> {
        let y = gaussian();
        let along = |row: usize, column: usize| if column == 0 { 0.0 } else { y[(row, 0)] };
        let length = |column: usize| 10f64.powi(column as i32 * 2 - 6);
        Mat::from_fn(SIDE, COUNT, |row, column| {
            length(column) * (along(row, column) + if column == 0 { 1.0 } else { sine } * y[(row, column)])
        })
    }

    fn defect(q: &Mat<f64>) -> f64 {
        let gram = dense::gram(q.transpose());
        let off = |i: usize, j: usize| (gram[(i, j)] - f64::from(u8::from(i == j))).abs();
        (0..COUNT).flat_map(|j| (0..COUNT).map(move |i| (i, j))).map(|(i, j)| off(i, j)).fold(0.0, f64::max)
    }

    /// ‖(1 − P·Pᵀ)·Q‖ for orthonormal P and Q: the sine of the largest angle between what they span, or a little more.
    fn apart(p: &Mat<f64>, q: &Mat<f64>) -> f64 {
        let shared = dense::multiply(p.transpose(), q.as_ref());
        (q - dense::multiply(p.as_ref(), shared.as_ref())).norm_l2()
    }

    fn passes(y: &Mat<f64>) -> bool {
        pass(y.as_ref(), dense::gram(y.transpose())).is_some()
    }

    #[test]
    fn bases_of_columns_at_small_angles_are_those_of_householder() {
        for (sine, near, span) in [(1.0, 1e-13, 1e-13), (1e-2, 1e-10, 1e-11), (1e-4, 1e-6, 1e-8)] {
            let y = tilted(sine);
            assert!(passes(&y), "{sine}");
            let (once, twice) = (nearly(y.as_ref()), wholly(y.as_ref()));
            assert!(defect(&once) < near, "{sine}: {}", defect(&once));
            assert!(defect(&twice) < 1e-14, "{sine}: {}", defect(&twice));
            let reflected = dense::orthonormal_basis(y);
            assert!(apart(&reflected, &twice) < span, "{sine}: {}", apart(&reflected, &twice));
        }
    }

    #[test]
    fn columns_that_lack_rank_fall_back_to_reflections() {
        let y = gaussian();
        let twins = Mat::from_fn(SIDE, COUNT, |row, column| y[(row, column / 2)]);
        let dark = Mat::from_fn(SIDE, COUNT, |row, column| if column == 4 { 0.0 } else { y[(row, column)] });
        for (name, y) in
            [("close", tilted(1e-7)), ("twins", twins), ("a zero", dark), ("zero", Mat::zeros(SIDE, COUNT))]
        {
            assert!(!passes(&y), "{name}");
            let reflected = dense::orthonormal_basis(y.clone());
            for q in [nearly(y.as_ref()), wholly(y.as_ref())] {
                assert_eq!(q, reflected, "{name}");
                assert!(defect(&q) < 1e-13, "{name}: {}", defect(&q));
            }
        }
    }

    #[test]
    fn a_gram_matrix_that_is_not_a_number_is_refused() {
        assert!(pass(gaussian().as_ref(), Mat::full(COUNT, COUNT, f64::NAN)).is_none());
    }
}
