//! How the error of a linear network moves while it is trained by gradient descent, in high dimension.
//!
//!     teacher y = w̄·x + ε, w̄: N numbers of variance σ_w², ε of variance σ_ε²; inputs of variance 1/N; P = α·N samples
//!     student w(0) of variance σ_0²; τ·dw/dt = (y − w·X)·Xᵀ        SNR = σ_w² / σ_ε², INR = σ_0² / σ_w²
//!     ρ: eigenvalues of X·Xᵀ, Marchenko and Pastur: √((λ₊ − λ)(λ − λ₋)) / (2πλ), λ± = (√α ± 1)², and 1 − α at 0 where α < 1
//!     E_g(t) = ∫ρ·[(1 + INR)·e^{−2λt} + (1 − e^{−λt})² / (λ·SNR)] + (1 − α)⁺·(1 + INR) + 1/SNR
//!     E_t(t) = ∫ρ·e^{−2λt}·[λ·(1 + INR) + 1/SNR] / α + (1 − 1/α)⁺ / SNR
//!
//! Errors are in units of σ_w², times in units of τ; with discrete steps of rate η, e^{−λt} becomes (1 − ηλ)^steps. A network of
//! depth L with small balanced weights and white inputs learns every singular value s along du/dt = L·u^{2−2/L}·(s − u).
//! Paper: [generalization_dynamics] §2, §3.

use super::search::minimum;
use crate::Result;
use crate::check::{not_negative, positive};
use std::f64::consts::PI;

/// The bulk of the law of Marchenko and Pastur.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarchenkoPastur {
    /// α = P / N.
    pub ratio: f64,
}

impl MarchenkoPastur {
    /// λ₋ and λ₊.
    pub fn edges(self) -> [f64; 2] {
        [(self.ratio.sqrt() - 1.0).powi(2), (self.ratio.sqrt() + 1.0).powi(2)]
    }

    /// ρ(λ) of the bulk.
    pub fn density(self, eigenvalue: f64) -> f64 {
        let [low, high] = self.edges();
        let inside = low < eigenvalue && eigenvalue < high;
        if inside { ((high - eigenvalue) * (eigenvalue - low)).sqrt() / (2.0 * PI * eigenvalue) } else { 0.0 }
    }

    /// ∫ρ·f over the bulk: with λ = 1 + α + 2√α·cos θ the midpoints of equal parts of θ converge exponentially. They are doubled
    /// until they agree to 1e-12; near α = 1 that takes many, there ρ has a pole.
    pub fn integrate(self, f: impl Fn(f64) -> f64) -> f64 {
        const PARTS: [usize; 2] = [1 << 6, 1 << 18];
        let mut parts = PARTS[0];
        let mut last = self.midpoints(parts, &f);
        while parts < PARTS[1] {
            parts *= 2;
            let next = self.midpoints(parts, &f);
            if (next - last).abs() <= 1e-12 * next.abs() {
                return next;
            }
            last = next;
        }
        last
    }

    fn midpoints(self, parts: usize, f: &impl Fn(f64) -> f64) -> f64 {
        let width = PI / parts as f64;
        let term = |part: usize| {
            let (sine, cosine) = (width * (part as f64 + 0.5)).sin_cos();
            let eigenvalue = 1.0 + self.ratio + 2.0 * self.ratio.sqrt() * cosine;
            sine * sine / eigenvalue * f(eigenvalue)
        };
        2.0 * self.ratio / PI * width * (0..parts).map(term).sum::<f64>()
    }
}

/// How far gradient descent has gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// So long, in units of τ, with steps of no length.
    Flow(f64),
    /// So many steps of the rate η.
    Steps {
        /// η; below 2 / λ₊ it converges.
        rate: f64,
        /// How many.
        steps: u32,
    },
}

impl Time {
    /// What is left of the error along an eigenvector: e^{−λt} or (1 − ηλ)^steps.
    pub fn left(self, eigenvalue: f64) -> f64 {
        match self {
            Self::Flow(time) => (-eigenvalue * time).exp(),
            Self::Steps { rate, steps } => (1.0 - rate * eigenvalue).powf(f64::from(steps)),
        }
    }
}

/// A teacher and a student of the same size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearDynamics {
    ratio: f64,
    signal: f64,
    initial: f64,
}

impl LinearDynamics {
    /// α = P / N, SNR and INR.
    ///
    /// # Errors
    /// When α or SNR is not above 0 or INR is negative.
    pub fn new(ratio: f64, signal: f64, initial: f64) -> Result<Self> {
        positive("ratio", ratio)?;
        positive("signal", signal)?;
        not_negative("initial", initial)?;
        Ok(Self { ratio, signal, initial })
    }

    /// The law of the eigenvalues.
    pub fn law(&self) -> MarchenkoPastur {
        MarchenkoPastur { ratio: self.ratio }
    }

    /// E_g.
    pub fn test_error(&self, time: Time) -> f64 {
        let start = 1.0 + self.initial;
        let bulk = self.law().integrate(|eigenvalue| {
            let left = time.left(eigenvalue);
            start * left * left + (1.0 - left).powi(2) / (eigenvalue * self.signal)
        });
        bulk + self.frozen() * start + self.signal.recip()
    }

    /// E_t, per sample.
    pub fn train_error(&self, time: Time) -> f64 {
        let bulk = self.law().integrate(|eigenvalue| {
            time.left(eigenvalue).powi(2) * (eigenvalue * (1.0 + self.initial) + self.signal.recip())
        });
        bulk / self.ratio + (1.0 - self.ratio.recip()).max(0.0) / self.signal
    }

    /// E_g after infinite training; infinite at α = 1.
    pub fn final_error(&self) -> f64 {
        let noise = self.signal.recip();
        if 1.0 < self.ratio {
            return noise * self.ratio / (self.ratio - 1.0);
        }
        self.frozen() * (1.0 + self.initial) + noise * self.ratio / (1.0 - self.ratio) + noise
    }

    /// The time of flow between 1e-3 and 1e6 at which E_g is least, and E_g there.
    pub fn optimal_stop(&self) -> (f64, f64) {
        let error = |log: f64| self.test_error(Time::Flow(log.exp()));
        let log = minimum(1e-3f64.ln(), 1e6f64.ln(), 60, error);
        (log.exp(), error(log))
    }

    /// E_g of ridge regression w = y·Xᵀ·(X·Xᵀ + γ)⁻¹ from a start at 0; the best γ is 1 / SNR, whatever α.
    ///
    /// # Errors
    /// When γ is not above 0.
    pub fn ridge(&self, ridge: f64) -> Result<f64> {
        positive("ridge", ridge)?;
        let bulk = self.law().integrate(|eigenvalue| {
            (ridge * ridge + eigenvalue / self.signal) / (eigenvalue + ridge).powi(2)
        });
        Ok(bulk + self.frozen() + self.signal.recip())
    }

    /// E_g of the best ridge regression, γ = 1 / SNR.
    ///
    /// # Errors
    /// When 1 / SNR rounds to 0.
    pub fn best_ridge(&self) -> Result<f64> {
        self.ridge(self.signal.recip())
    }

    /// The share of directions that no sample reaches: (1 − α)⁺.
    pub fn frozen(&self) -> f64 {
        (1.0 - self.ratio).max(0.0)
    }
}

/// Mean over the noise of ‖w(t) − w̄‖² for samples at hand: λ eigenvalues of X·Xᵀ, `distances` the squares of w(0) − w̄ along
/// the eigenvectors, `noise` the variance of ε.
pub fn distance_of_spectrum(eigenvalues: &[f64], distances: &[f64], noise: f64, time: Time) -> f64 {
    let along = |(&eigenvalue, &distance): (&f64, &f64)| {
        let left = time.left(eigenvalue);
        let fitted = if 0.0 < eigenvalue { (1.0 - left).powi(2) / eigenvalue } else { 0.0 };
        distance * left * left + noise * fitted
    };
    eigenvalues.iter().zip(distances).map(along).sum()
}

/// The strength of a mode of a linear network of so many layers at a time of flow, from a start above 0 towards its singular
/// value: in closed form for one and two layers, else by Runge and Kutta's steps.
///
/// # Errors
/// When the depth is 0, or the start or the singular value not above 0.
pub fn deep_mode(depth: u32, start: f64, singular_value: f64, time: f64) -> Result<f64> {
    positive("depth", f64::from(depth))?;
    positive("start", start)?;
    positive("singular_value", singular_value)?;
    not_negative("time", time)?;
    let s = singular_value;
    Ok(match depth {
        1 => s + (start - s) * (-time).exp(),
        2 => s / (1.0 + (s / start - 1.0) * (-2.0 * s * time).exp()),
        _ => {
            let layers = f64::from(depth);
            let speed = |u: f64| layers * u.powf(2.0 - 2.0 / layers) * (s - u);
            // Steps of a twentieth of the fastest change.
            let fastest = layers * s.max(start).powf(2.0 - 2.0 / layers);
            let steps = (20.0 * fastest * time).ceil().clamp(100.0, 1e6);
            (0..steps as usize).fold(start, |u, _| runge_kutta(u, time / steps, speed))
        }
    })
}

fn runge_kutta(u: f64, step: f64, speed: impl Fn(f64) -> f64) -> f64 {
    let first = speed(u);
    let second = speed(u + step / 2.0 * first);
    let third = speed(u + step / 2.0 * second);
    let fourth = speed(u + step * third);
    u + step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)
}
