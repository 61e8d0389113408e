//! Test and training error of ridge regression on random features, from the eigenvalues of the kernel.
//!
//!     λ_i: eigenvalues of the kernel operator; v_i²: energy of the target along its eigenfunctions; σ²: variance of the noise
//!     n samples, k features (k = ∞: the kernel itself), ridge δ with (K̂ + δ)⁻¹, E K̂ = K
//!     z = Σ λ/(λ + γ), q = Σ (λ/(λ + γ))²        z + δ/κ = n, z + k·κ/γ = k define κ, γ
//!     E_te = [1 − (q·(k − 2z) + z²) / (n·(k − q))]⁻¹ · [Σ (γ/(λ + γ) − κ·λ/(λ + γ)²·k/(k − q))·v² + σ²]
//!     E_tr = (δ/(n·κ))² · E_te
//!
//! κ = (k − z)·γ/k leaves one equation for γ, solved by safeguarded Newton steps in log γ: O(M) each for M eigenvalues, some ten.
//! For k = ∞, γ = κ and E_te = n/(n − q) · [Σ (κ/(λ + κ))²·v² + σ²]. E_te contains the noise of the test labels.
//! Paper: [random_features] Theorem 2, Corollary 1. Departure: the released code bisects both equations, one inside the other.

use super::kernel::KernelRegression;
use super::search::{falling_zero, minimum};
use crate::check::{not_negative, positive};
use crate::{Error, Result};

/// What is to be learnt, seen by a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    eigenvalues: Vec<f64>,
    energies: Vec<f64>,
    noise: f64,
}

/// Errors of a fit.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Risk {
    /// E_te; infinite where samples and features are as many and the ridge is 0.
    pub test: f64,
    /// E_tr.
    pub train: f64,
    /// κ.
    pub kappa: f64,
    /// γ.
    pub gamma: f64,
}

/// How many features a fit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// So many.
    Count(usize),
    /// The kernel itself.
    Infinite,
}

impl Task {
    /// λ, v² and σ².
    ///
    /// # Errors
    /// When there is no eigenvalue, the lengths differ, or a number is negative or not finite; eigenvalues must be above 0.
    pub fn new(eigenvalues: Vec<f64>, energies: Vec<f64>, noise: f64) -> Result<Self> {
        let (found, expected) = (energies.len(), eigenvalues.len());
        if expected == 0 {
            return Err(Error::Empty { what: "the spectrum" });
        }
        if found != expected {
            let (what, reason) = ("the target", "there are so many eigenvalues");
            return Err(Error::Size { what, unit: "energies", found, expected, reason });
        }
        eigenvalues.iter().try_for_each(|&value| positive("eigenvalue", value))?;
        energies.iter().try_for_each(|&value| not_negative("energy", value))?;
        not_negative("noise", noise)?;
        Ok(Self { eigenvalues, energies, noise })
    }

    /// λ_i = i^{−a}, v_i² = i^{−b} for i from 1 to `modes`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn power_law(a: f64, b: f64, modes: usize, noise: f64) -> Result<Self> {
        let powers = |exponent: f64| (1..=modes).map(|i| (i as f64).powf(-exponent)).collect();
        Self::new(powers(a), powers(b), noise)
    }

    /// From samples: λ = d/n and v² = Σ over the outputs of (Vᵀ·Y)²/n of a decomposed kernel. The largest eigenvalues are good,
    /// the smallest biased; those that are 0 are left out.
    ///
    /// # Errors
    /// When all eigenvalues are 0.
    pub fn from_samples(regression: &KernelRegression, noise: f64) -> Result<Self> {
        let (d, projections) = (regression.eigenvalues(), regression.projections());
        let samples = d.len() as f64;
        let pairs = d.iter().enumerate().rev().filter(|(_, d)| 0.0 < **d).map(|(k, d)| {
            let energy = projections.row(k).iter().map(|x| x * x).sum::<f64>();
            (d / samples, energy / samples)
        });
        let (eigenvalues, energies) = pairs.unzip();
        Self::new(eigenvalues, energies, noise)
    }

    /// λ.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// v².
    pub fn energies(&self) -> &[f64] {
        &self.energies
    }

    /// The same with other noise.
    ///
    /// # Errors
    /// When it is negative or not finite.
    pub fn with_noise(&self, noise: f64) -> Result<Self> {
        not_negative("noise", noise)?;
        Ok(Self { noise, ..self.clone() })
    }

    /// The errors of a fit to n samples.
    ///
    /// # Errors
    /// When a count is 0 or the ridge negative or not finite.
    pub fn risk(&self, samples: usize, features: Features, ridge: f64) -> Result<Risk> {
        positive("samples", samples as f64)?;
        not_negative("ridge", ridge)?;
        let n = samples as f64;
        match features {
            Features::Infinite => Ok(self.kernel_risk(n, ridge)),
            Features::Count(count) => {
                positive("features", count as f64)?;
                Ok(self.feature_risk(n, count as f64, ridge))
            }
        }
    }

    /// The ridge of the least test error, 0 included, and the errors there.
    ///
    /// # Errors
    /// When a count is 0.
    pub fn optimal_ridge(&self, samples: usize, features: Features) -> Result<(f64, Risk)> {
        self.risk(samples, features, 0.0)?;
        let risk = |ridge: f64| self.risk(samples, features, ridge);
        let test = |log: f64| risk(log.exp()).map_or(f64::INFINITY, |risk| risk.test);
        let scale = self.eigenvalues.iter().sum::<f64>();
        let ridge = minimum((1e-12 * scale).ln(), (1e3 * scale * samples as f64).ln(), 60, test).exp();
        let (zero, best) = (risk(0.0)?, risk(ridge)?);
        Ok(if zero.test <= best.test { (0.0, zero) } else { (ridge, best) })
    }

    /// z and q at γ.
    fn sums(&self, gamma: f64) -> (f64, f64) {
        self.eigenvalues.iter().fold((0.0, 0.0), |(z, q), &eigenvalue| {
            let learnt = eigenvalue / (eigenvalue + gamma);
            (z + learnt, q + learnt * learnt)
        })
    }

    /// Where the sums can be `target` without a ridge: γ, or 0 where there are not so many eigenvalues.
    fn ridgeless(&self, target: f64) -> f64 {
        let modes = self.eigenvalues.len() as f64;
        if modes <= target {
            return 0.0;
        }
        let smallest = self.eigenvalues.iter().copied().fold(f64::INFINITY, f64::min);
        let low = (smallest * (modes - target) / target).ln() - 1.0;
        let high = (self.eigenvalues.iter().sum::<f64>() / target).ln();
        falling_zero(low, high, |log| {
            let (z, q) = self.sums(log.exp());
            (z - target, q - z)
        })
        .exp()
    }

    fn kernel_risk(&self, n: f64, ridge: f64) -> Risk {
        let kappa = if ridge == 0.0 {
            self.ridgeless(n)
        } else {
            let high = ((self.eigenvalues.iter().sum::<f64>() + ridge) / n).ln();
            let equation = |log: f64| {
                let kappa = log.exp();
                let (z, q) = self.sums(kappa);
                (z + ridge / kappa - n, q - z - ridge / kappa)
            };
            falling_zero((ridge / n).ln(), high, equation).exp()
        };
        let (z, q) = self.sums(kappa);
        let bias = self.pairs().map(|(eigenvalue, energy)| (kappa / (eigenvalue + kappa)).powi(2) * energy);
        let test = n / (n - q) * (bias.sum::<f64>() + self.noise);
        Risk { test, train: residual(n, z) * test, kappa, gamma: kappa }
    }

    fn feature_risk(&self, n: f64, k: f64, ridge: f64) -> Risk {
        let gamma = if ridge == 0.0 { self.ridgeless(n.min(k)) } else { self.gamma(n, k, ridge) };
        let (z, q) = self.sums(gamma);
        // Of the two equations for κ the one that is no difference of equal numbers.
        let kappa = if k < n && 0.0 < ridge { ridge / (n - z) } else { ((k - z) * gamma / k).max(0.0) };
        let share = k / (k - q);
        let bias = self.pairs().map(|(eigenvalue, energy)| {
            let sum = eigenvalue + gamma;
            (gamma / sum - kappa * eigenvalue / (sum * sum) * share) * energy
        });
        let amplification = 1.0 - (q * (k - 2.0 * z) + z * z) / (n * (k - q));
        let test = (bias.sum::<f64>() + self.noise) / amplification.max(0.0);
        Risk { test, train: residual(n, z) * test, kappa, gamma }
    }

    /// γ: the zero of z + δ·k/((k − z)·γ) − n where z < k.
    fn gamma(&self, n: f64, k: f64, ridge: f64) -> f64 {
        let total = self.eigenvalues.iter().sum::<f64>();
        let high = (2.0 * total / n.min(k)).max(4.0 * ridge / n).ln();
        let equation = |log: f64| {
            let gamma = log.exp();
            let (z, q) = self.sums(gamma);
            if k <= z {
                return (f64::INFINITY, -1.0);
            }
            let term = ridge * k / ((k - z) * gamma);
            (z + term - n, (q - z) * (1.0 + term / (k - z)) - term)
        };
        falling_zero((ridge / n).ln(), high, equation).exp()
    }

    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.eigenvalues.iter().copied().zip(self.energies.iter().copied())
    }
}

/// E_tr / E_te = (δ/(n·κ))², which is (1 − z/n)².
fn residual(n: f64, z: f64) -> f64 {
    ((n - z) / n).max(0.0).powi(2)
}
