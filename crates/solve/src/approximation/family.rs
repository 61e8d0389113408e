//! Orthonormal functions of one variable, with points drawn from their squares.
//!
//!     legendre     √(2j+1)·P_j(x)                        μ uniform on [−1, 1]
//!     hermite      He_j(x)/√j!                           μ standard normal
//!     fourier      1, √2·cos 2πkx, √2·sin 2πkx, …        μ uniform on [0, 1)
//!
//! Points of the density φ_j² are drawn by rejection, exactly, by a bound of each family: Bernstein's φ_j² ≤ 4/(π·√(1 − x²))
//! from the arcsine law; Indritz's φ_j²·γ ≤ γ(0), γ the normal density, from an interval outside of which the chance is
//! below 1e-12; φ_j² ≤ 2.

use rankine_random::Rng;
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, SQRT_2, TAU};

/// A family of orthonormal functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Polynomials on [−1, 1].
    Legendre,
    /// Polynomials on the line, under a Gaussian.
    Hermite,
    /// Waves on [0, 1).
    Fourier,
}

impl Family {
    /// The largest index whose values fit into f64 wherever points are drawn.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Hermite => 250,
            Self::Legendre | Self::Fourier => 100_000,
        }
    }

    /// Degree, or frequency, of a function.
    pub fn order(self, index: usize) -> usize {
        match self {
            Self::Legendre | Self::Hermite => index,
            Self::Fourier => index.div_ceil(2),
        }
    }

    /// The first `count` functions at x.
    pub fn values(self, x: f64, count: usize) -> Vec<f64> {
        match self {
            Self::Legendre => {
                let step = |j: f64| ((2.0 * j + 1.0) / (j + 1.0), j / (j + 1.0));
                let raw = recurrence(x, count, step);
                raw.into_iter().enumerate().map(|(j, p)| (2.0 * j as f64 + 1.0).sqrt() * p).collect()
            }
            Self::Hermite => recurrence(x, count, |j| ((j + 1.0).sqrt().recip(), (j / (j + 1.0)).sqrt())),
            Self::Fourier => (0..count).map(|index| wave(x, index)).collect(),
        }
    }

    /// A point of μ.
    pub fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Legendre => 2.0 * rng.uniform_f64() - 1.0,
            Self::Hermite => rng.normal_f64(),
            Self::Fourier => rng.uniform_f64(),
        }
    }

    /// A point of φ_j²·μ.
    pub fn draw_component(self, index: usize, rng: &mut Rng) -> f64 {
        loop {
            let (x, chance) = self.propose(index, rng);
            if rng.uniform_f64() < chance {
                return x;
            }
        }
    }

    /// A point, and the chance with which it is taken.
    fn propose(self, index: usize, rng: &mut Rng) -> (f64, f64) {
        let square = |x: f64, factor: f64| self.value(x, index, factor).powi(2);
        match self {
            Self::Legendre => {
                let (sine, x) = (PI * rng.uniform_f64()).sin_cos();
                (x, square(x, 1.0) * PI * sine / 4.0)
            }
            Self::Hermite => {
                let limit = (4.0 * index as f64 + 2.0).sqrt() + 6.0;
                let x = limit * (2.0 * rng.uniform_f64() - 1.0);
                (x, square(x, (-x * x / 4.0).exp()))
            }
            Self::Fourier => {
                let x = rng.uniform_f64();
                (x, square(x, 1.0) / 2.0)
            }
        }
    }

    /// factor · φ_j(x).
    fn value(self, x: f64, index: usize, factor: f64) -> f64 {
        match self {
            Self::Fourier => factor * wave(x, index),
            Self::Legendre | Self::Hermite => {
                factor * self.values(x, index + 1).last().copied().unwrap_or_default()
            }
        }
    }
}

/// p_{j+1} = a_j·x·p_j − b_j·p_{j−1} with p₀ = 1, and (a_j, b_j) from `step`.
fn recurrence(x: f64, count: usize, step: impl Fn(f64) -> (f64, f64)) -> Vec<f64> {
    let mut values = Vec::with_capacity(count);
    let (mut before, mut value) = (0.0, 1.0);
    for j in 0..count {
        values.push(value);
        let (along, back) = step(j as f64);
        (before, value) = (value, along * x * value - back * before);
    }
    values
}

/// A function of the Fourier family.
fn wave(x: f64, index: usize) -> f64 {
    let angle = TAU * index.div_ceil(2) as f64 * x;
    match index {
        0 => 1.0,
        odd if odd % 2 == 1 => SQRT_2 * angle.cos(),
        _ => SQRT_2 * angle.sin(),
    }
}
