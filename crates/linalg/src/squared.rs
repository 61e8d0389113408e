//! The thin SVD of a matrix that came from `f32`, by way of the smaller Gram matrix.
//!
//!     AᵀA = V·diag(λ)·Vᵀ          s = ‖A·v‖,  u = A·v / s           where λ > τ²·λ₁
//!     A·V₂ = Q₂·C,  C = X·diag(s)·Yᵀ,  U₂ = Q₂·X,  V₂ ← V₂·Y       for the rest, Q₂ orthogonal to U₁
//!
//! A symmetric eigenproblem costs half of an SVD of its size, and all else is products. That squares the spectrum is no loss in
//! double precision: at s = τ·s₁ vectors are orthogonal within 1e-9, some 1e-16 / τ², and a number that was `f32` is known to 6e-8.
//! Smaller triples are mixed up in V₂, but it spans the right space, and what A makes of it is decomposed by itself.

use crate::dense::{self, Factors};
use crate::hermitian::{Eigen, eigh};
use crate::{Error, Result};
use faer::MatRef;

/// τ.
const FLOOR: f64 = 1e-3;

/// All triples of `a`; `None` where most of them are too small for this way.
///
/// # Errors
/// When the SVD of the rest does not converge.
pub(crate) fn thin_svd(a: MatRef<'_, f64>) -> Result<Option<Factors>> {
    if a.nrows() < a.ncols() {
        let turned = thin_svd(a.transpose())?;
        return Ok(turned.map(|Factors { u, s, v }| Factors { u: v, s, v: u }));
    }
    let Eigen { values: squares, vectors } = match eigh(dense::gram(a.transpose()).as_ref()) {
        Ok(eigen) => eigen,
        Err(Error::NoConvergence { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    // They ascend.
    let (count, v) = (squares.len(), vectors.as_ref().reverse_cols());
    let least = FLOOR * FLOOR * squares.last().copied().unwrap_or_default();
    let large = squares.iter().rev().take_while(|&&square| square > least).count();
    if 2 * large < count {
        return Ok(None);
    }
    let (u, s) = dense::images(a, v.get(.., ..large));
    if large == count {
        return Ok(Some(Factors { u, s, v: v.to_owned() }));
    }
    let small = v.get(.., large..);
    let images = dense::multiply(a, small);
    let basis = dense::orthonormal_columns(dense::beside(u.as_ref(), images.as_ref()), large..count);
    let rest = dense::thin_svd(dense::multiply(basis.transpose(), images.as_ref()).as_ref())?;
    let last = s.last().copied().unwrap_or(f64::INFINITY);
    Ok(Some(Factors {
        u: dense::beside(u.as_ref(), dense::multiply(basis.as_ref(), rest.u.as_ref()).as_ref()),
        s: s.into_iter().chain(rest.s.into_iter().map(|s| s.min(last))).collect(),
        v: dense::beside(v.get(.., ..large), dense::multiply(small, rest.v.as_ref()).as_ref()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use rankine_random::Rng;

    const LEADING: usize = 20;

    /// With vectors drawn and this spectrum.
    fn with_spectrum(rows: usize, columns: usize, s: &[f64]) -> Mat<f64> {
        let mut rng = Rng::new(3).fork_index("rows", rows);
        let mut basis =
            |side: usize| dense::orthonormal_basis(Mat::from_fn(side, s.len(), |_, _| rng.normal_f64()));
        let (left, right) = (basis(rows), basis(columns));
        let scaled = Mat::from_fn(rows, s.len(), |row, column| left[(row, column)] * s[column]);
        dense::multiply(scaled.as_ref(), right.transpose())
    }

    fn defect(basis: &Mat<f64>) -> f64 {
        (dense::multiply(basis.transpose(), basis.as_ref())
            - Mat::<f64>::identity(basis.ncols(), basis.ncols()))
        .norm_max()
    }

    #[test]
    fn small_triples_are_found_beside_large_ones() {
        let tails: [&[f64]; 6] = [
            &[],
            &[1e-3, 1e-3],
            &[2e-3, 5e-4, 1e-4, 1e-9],
            &[1e-7, 1e-8, 1e-12, 1e-14],
            &[0.0; 6],
            &[1e-5, 0.0, 0.0],
        ];
        for tail in tails {
            let s: Vec<f64> =
                (0..LEADING).map(|i| 1.0 / (1.0 + i as f64)).chain(tail.iter().copied()).collect();
            let count = s.len();
            for (rows, columns) in [(count, count), (count + 30, count), (count, count + 7)] {
                let name = format!("{rows} × {columns}, {tail:?}");
                let a = with_spectrum(rows, columns, &s);
                let found = thin_svd(a.as_ref()).unwrap().unwrap();
                assert!(defect(&found.u).max(defect(&found.v)) < 1e-9, "{name}");
                let apart = found.s.iter().zip(&s).map(|(found, s)| (found - s).abs()).fold(0.0, f64::max);
                assert!(
                    found.s.len() == count && apart < 1e-14 && found.s.is_sorted_by(|x, y| x >= y),
                    "{name}"
                );
                let scaled =
                    Mat::from_fn(rows, count, |row, column| found.u[(row, column)] * found.s[column]);
                let left = &a - dense::multiply(scaled.as_ref(), found.v.transpose());
                assert!(left.norm_max() < 1e-13, "{name}: {}", left.norm_max());
            }
        }
    }

    #[test]
    fn what_is_mostly_small_is_left_to_the_whole_svd() {
        let s: Vec<f64> = (0..12).map(|i| if i < 5 { 1.0 } else { 1e-6 }).collect();
        assert_eq!(thin_svd(with_spectrum(14, 12, &s).as_ref()), Ok(None));
        let zero = thin_svd(Mat::zeros(3, 2).as_ref());
        assert_eq!(zero, Ok(None));
    }
}
