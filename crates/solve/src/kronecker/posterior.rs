//! The posterior of x under product variances, without the dictionary and without a covariance.
//!
//!     x ~ CN(0, Γ), Γ = diag(g₁ ⊗ … ⊗ g_d)        y = H·x + CN(0, s²)        H = A₁ ⊗ … ⊗ A_d
//!     A_i·diag(g_i)·A_iᴴ = U_i·diag(p_i)·U_iᴴ     B_i = diag(g_i)·A_iᴴ·U_i
//!     D = 1 / (s² + p₁ ⊗ … ⊗ p_d)                 z = (U₁ ⊗ … ⊗ U_d)ᴴ·y
//!     mean = (B₁ ⊗ … ⊗ B_d)·(D ∘ z)               variance = g₁ ⊗ … ⊗ g_d − (|B₁|² ⊗ … ⊗ |B_d|²)·D
//!     J = log det(s² + H·Γ·Hᴴ) + yᴴ·(s² + H·Γ·Hᴴ)⁻¹·y = Σ log(s² + p) + Σ |z|²·D
//!
//! What rounding leaves of an eigenvalue that is 0 counts as 0: with little noise it would be taken for signal.
//! Costs Σ M_i³ and two applications of a Kronecker product; memory O(Π N_i). It is broken off between parts of that, but not while
//! the eigenvalues of a tridiagonal matrix are sought. For real data the same formulas hold, J up to the factor 1/2 of the real
//! normal.
//! Paper: [kronecker_sbl] §III. Departure: its code forms H and the covariance, with the same numbers.

use crate::Result;
use faer::{Mat, MatRef, c64};
use rankine_linalg::{Eigen, Going, eigh_while, kronecker_apply, multiply_while, outer};

/// What is known of x after y was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// [Π N_i].
    pub mean: Vec<c64>,
    /// Variance of every entry; [Π N_i].
    pub variance: Vec<f64>,
    /// J.
    pub cost: f64,
    /// The variance of the noise that makes y most likely, by a step of EM.
    pub noise: f64,
}

/// What is needed of one factor.
struct Rotation {
    /// Uᴴ; [M, M].
    adjoint: Mat<c64>,
    /// p; [M].
    powers: Vec<f64>,
    /// B; [N, M].
    back: Mat<c64>,
    /// |B|²; [N, M].
    squared: Mat<f64>,
}

impl Posterior {
    /// The posterior for dictionaries A_i, [M_i, N_i], variances g_i, [N_i], and the noise s².
    ///
    /// # Errors
    /// When sizes do not agree, an eigenvalue problem is not solved, or `going` stops it.
    pub fn new(
        dictionaries: &[MatRef<'_, c64>],
        variances: &[&[f64]],
        noise: f64,
        observation: &[c64],
        going: &Going<'_>,
    ) -> Result<Self> {
        let pairs = dictionaries.iter().zip(variances);
        let rotations: Vec<Rotation> =
            pairs.map(|(a, g)| Rotation::new(*a, g, going)).collect::<Result<_>>()?;
        let powers = outer(&rotations.iter().map(|rotation| &rotation.powers[..]).collect::<Vec<_>>());
        let weights: Vec<f64> = powers.iter().map(|power| (noise + power).recip()).collect();
        let rotated = kronecker_apply(&views(&rotations, |rotation| &rotation.adjoint), observation)?;
        let weighted: Vec<c64> = rotated.iter().zip(&weights).map(|(z, d)| z * d).collect();
        let mean = kronecker_apply(&views(&rotations, |rotation| &rotation.back), &weighted)?;
        let explained = kronecker_apply(&views(&rotations, |rotation| &rotation.squared), &weights)?;
        let variance = outer(variances).iter().zip(explained).map(|(g, e)| (g - e).max(0.0)).collect();
        let terms = rotated.iter().zip(&weights);
        let cost = terms.map(|(z, d)| z.norm_sqr() * d - d.ln()).sum();
        // y − H·mean = s²·U·(D ∘ z), and tr(1 − Γ⁻¹·covariance) = Σ p·D.
        let misfit: f64 = weighted.iter().map(|z| (noise * z).norm_sqr()).sum();
        let degrees: f64 = powers.iter().zip(&weights).map(|(p, d)| p * d).sum();
        let noise = (misfit + noise * degrees) / observation.len() as f64;
        Ok(Self { mean, variance, cost, noise })
    }

    /// E|x|² = variance + |mean|²; [Π N_i].
    pub fn moments(&self) -> Vec<f64> {
        self.variance.iter().zip(&self.mean).map(|(variance, mean)| variance + mean.norm_sqr()).collect()
    }
}

impl Rotation {
    fn new(dictionary: MatRef<'_, c64>, variances: &[f64], going: &Going<'_>) -> Result<Self> {
        let (rows, columns) = dictionary.shape();
        let weighted = Mat::from_fn(rows, columns, |i, j| dictionary[(i, j)] * variances[j]);
        let gram = multiply_while(weighted.as_ref(), dictionary.adjoint(), going)?;
        let Eigen { mut values, vectors } = eigh_while(gram.as_ref(), going)?;
        let mut back = multiply_while(weighted.adjoint(), vectors.as_ref(), going)?;
        let rounding = f64::EPSILON * rows as f64 * values.last().copied().unwrap_or(0.0);
        for (value, mut column) in values.iter_mut().zip(back.col_iter_mut()) {
            if *value <= rounding {
                *value = 0.0;
                column.fill(c64::ZERO);
            }
        }
        let squared = back.map(|b| b.norm_sqr());
        Ok(Self { adjoint: vectors.adjoint().to_owned(), powers: values, back, squared })
    }
}

/// One matrix of every factor.
fn views<T>(rotations: &[Rotation], of: impl Fn(&Rotation) -> &Mat<T>) -> Vec<MatRef<'_, T>> {
    rotations.iter().map(|rotation| of(rotation).as_ref()).collect()
}
