//! The problem, and what is measured of it.

use super::super::problem::{finite_target, length, norm, share, tall};
use crate::regression::Fit;
use crate::{Error, Result, Step};
use faer::{Mat, MatRef};
use rankine_linalg::double::{add_product, multiply};

/// A regression problem on a Kronecker product; see the module.
#[derive(Clone, Debug)]
pub struct KroneckerRegression {
    first: Mat<f64>,
    second: Mat<f64>,
    target: Vec<f64>,
    /// ‖A₁‖ ‖A₂‖ ‖b‖.
    scale: f64,
}

impl KroneckerRegression {
    /// Checks and keeps a problem; first: [n₁, d₁], second: [n₂, d₂], target: [n₁·n₂].
    ///
    /// # Errors
    /// When a factor is empty or has more columns than rows, the target has another length, or an entry is not finite.
    pub fn new(first: Mat<f64>, second: Mat<f64>, target: Vec<f64>) -> Result<Self> {
        tall("the first factor", first.as_ref())?;
        tall("the second factor", second.as_ref())?;
        let (found, expected) = (target.len(), first.nrows() * second.nrows());
        if found != expected {
            let reason = "the product of the factors has so many rows";
            return Err(Error::Size { what: "target", unit: "entries", found, expected, reason });
        }
        finite_target(&target)?;
        let scale = norm(first.as_ref()) * norm(second.as_ref()) * length(&target);
        Ok(Self { first, second, target, scale })
    }

    /// A₁ and A₂.
    pub fn factors(&self) -> [MatRef<'_, f64>; 2] {
        [self.first.as_ref(), self.second.as_ref()]
    }

    /// b; [n₁·n₂].
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// Bᵀ; [n₂, n₁].
    pub(super) fn turned_target(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.target, self.second.nrows(), self.first.nrows())
    }

    /// d₁·d₂.
    pub fn columns(&self) -> usize {
        self.first.ncols() * self.second.ncols()
    }

    /// A solution with what is measured of it.
    pub(super) fn fit(
        &self,
        coefficients: Vec<f64>,
        rows: usize,
        condition: Option<f64>,
    ) -> Result<(Fit, Step)> {
        let step = self.measure(&coefficients)?;
        Ok((Fit { coefficients, distance: step.objective, rows, condition }, step))
    }

    /// Objective and residual.
    ///
    /// # Errors
    /// When x has not d₁·d₂ entries.
    pub fn measure(&self, coefficients: &[f64]) -> Result<Step> {
        let (found, expected) = (coefficients.len(), self.columns());
        if found != expected {
            let reason = "the product of the factors has so many columns";
            return Err(Error::Size { what: "coefficients", unit: "entries", found, expected, reason });
        }
        // Xᵀ is [d₂, d₁], and (A₁·X·A₂ᵀ)ᵀ = A₂·Xᵀ·A₁ᵀ.
        let turned = MatRef::from_column_major_slice(coefficients, self.second.ncols(), self.first.ncols());
        let mut left = self.turned_target().to_owned();
        let images = multiply(self.second.as_ref(), turned);
        add_product(left.as_mut(), -1.0, images.as_ref(), self.first.transpose());
        let gradient =
            multiply(multiply(self.second.transpose(), left.as_ref()).as_ref(), self.first.as_ref());
        Ok(Step::new(left.norm_l2(), share(gradient.norm_l2(), self.scale)))
    }
}
