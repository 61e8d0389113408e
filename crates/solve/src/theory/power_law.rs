//! How closely the best kernel regression on a task of powers fits its samples.
//!
//!     λ_i = i^{−a}, v_i² = i^{−b}, 1 < a, 1 < b < 2a + 1        r = √(E_tr / E_te), s: noise over E_te without noise and ridge
//!     E_te(r) ∝ [(1 − r)^{−(b−1)} + a·s] / (1 + (a − 1)·r)
//!     best r: (b − a) + (a − 1)·b·r − a·(a − 1)·(1 − r)^b·s = 0, or 0 where the left side is not negative there
//!
//! In the limit of many samples. Interpolation is best where s ≤ (b − a) / (a·(a − 1)).
//! Paper: [random_features], its power-law tasks.

use crate::Result;
use crate::check::{not_negative, within};

/// A task whose eigenvalues and energies are powers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    a: f64,
    b: f64,
    noise: f64,
}

impl PowerLaw {
    /// a, b, and σ_rel².
    ///
    /// # Errors
    /// When an exponent is outside of its range or the noise negative.
    pub fn new(a: f64, b: f64, noise: f64) -> Result<Self> {
        not_negative("noise", noise)?;
        within("a", a, 1.0 < a, "above 1")?;
        within("b", b, 1.0 < b && b < 2.0 * a + 1.0, "above 1 and below 2·a + 1")?;
        Ok(Self { a, b, noise })
    }

    /// E_te at r over E_te at r = 0, interpolation.
    pub fn relative_error(&self, root: f64) -> f64 {
        let Self { a, b, noise } = *self;
        let at = |r: f64| ((1.0 - r).powf(1.0 - b) + a * noise) / (1.0 + (a - 1.0) * r);
        at(root) / at(0.0)
    }

    /// E_tr / E_te of the least test error: 0 where interpolation is best.
    pub fn optimal_fitting_ratio(&self) -> f64 {
        let Self { a, b, noise } = *self;
        let slope = |r: f64| (b - a) + (a - 1.0) * b * r - a * (a - 1.0) * (1.0 - r).powf(b) * noise;
        if 0.0 <= slope(0.0) {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        while f64::EPSILON < high - low {
            let middle = (low + high) / 2.0;
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
        low * low
    }

    /// The most noise, relative, at which interpolation is best: (b − a) / (a·(a − 1)); negative where it never is.
    pub fn interpolation_threshold(&self) -> f64 {
        (self.b - self.a) / (self.a * (self.a - 1.0))
    }
}
