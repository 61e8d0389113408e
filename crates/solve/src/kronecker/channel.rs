//! Channels with a reflecting surface: the application of [kronecker_sbl].
//!
//!     a(w) = (1, e^{iπv}, e^{2iπv}, …) / √d, v = 2·w / angles − 1      steering vector of d antennas towards angle w of the grid
//!     H₁ = √(mobile·elements / spread) · Σ α_a·a_surface(a)·a_mobile(m)ᴴ           [elements, mobile]
//!     H₂ = √(base·elements / spread) · Σ β_b·a_base(b)·a_surface(e)ᴴ               [base, elements]
//!     Y = (Xᵀ·H₁ᵀ ⋆ H₂)·Θ        X: pilots [mobile, pilots]  Θ: reflections [elements, patterns]  ⋆: column-wise Kronecker
//!
//! On the grid Y is a Kronecker dictionary times a sparse vector: of the angles at the surface only the difference matters, and
//! it wraps. A_surface: [patterns, angles], A_mobile = Xᵀ·conj(a_mobile): [pilots, angles], A_base: [base, angles]. What
//! arrives at the surface and at the base comes from `spread` angles side by side, α and β standard normal. All sizes of the
//! released code; its drawing anew of reflections that hit nothing is left out, they have probability 0.

use super::instance::Instance;
use crate::check::fits;
use crate::{Error, Result};
use faer::{Mat, MatRef, c64};
use rankine_linalg::{kronecker_apply, multiply, outer};
use rankine_random::Rng;
use std::f64::consts::PI;

/// Sizes of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrsMimo {
    /// Antennas of the mobile station.
    pub mobile: usize,
    /// Antennas of the base station.
    pub base: usize,
    /// Elements of the surface.
    pub elements: usize,
    /// Angles of the grid.
    pub angles: usize,
    /// Pilots that the mobile sends.
    pub pilots: usize,
    /// Patterns that the surface reflects with.
    pub patterns: usize,
    /// Angles side by side that a beam arrives from.
    pub spread: usize,
}

/// A channel that was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// The problem with its answer.
    pub instance: Instance,
    /// conj(a_mobile); [mobile, angles].
    mobile: Mat<c64>,
}

impl Default for IrsMimo {
    fn default() -> Self {
        Self { mobile: 6, base: 16, elements: 256, angles: 18, pilots: 3, patterns: 6, spread: 3 }
    }
}

impl IrsMimo {
    /// A channel with its pilots and patterns.
    ///
    /// # Errors
    /// When a size is 0, or the spread above the number of angles.
    pub fn draw(&self, rng: &Rng) -> Result<Channel> {
        let sizes = [self.mobile, self.base, self.elements, self.angles, self.pilots, self.patterns];
        if sizes.contains(&0) {
            return Err(Error::Empty { what: "a side of the channel" });
        }
        fits("spread", self.spread, 1, self.angles)?;
        let mobile = steering(self.mobile, self.angles).map(|x| x.conj());
        let base = steering(self.base, self.angles);
        let factors = vec![self.surface(rng), multiply(self.pilots(rng).transpose(), mobile.as_ref()), base];
        let (parts, supports) = self.coefficients(rng);
        let coefficients = outer(&parts);
        Ok(Channel { instance: Instance::new(factors, coefficients, supports, false)?, mobile })
    }

    /// Θᵀ·(a_surface(0) ∘ conj(a_surface(w))) for every difference w; [patterns, angles].
    fn surface(&self, rng: &Rng) -> Mat<c64> {
        let mut rng = rng.fork("patterns");
        let size = (self.elements as f64).sqrt().recip();
        let signs = Mat::from_fn(self.patterns, self.elements, |_, _| {
            c64::from(if rng.below(2) == 0 { size } else { -size })
        });
        let steering = steering(self.elements, self.angles);
        let beams = Mat::from_fn(self.elements, self.angles, |element, angle| {
            steering[(element, 0)] * steering[(element, angle)].conj()
        });
        multiply(signs.as_ref(), beams.as_ref())
    }

    /// QPSK symbols over √mobile; [mobile, pilots].
    fn pilots(&self, rng: &Rng) -> Mat<c64> {
        let mut rng = rng.fork("pilots");
        let size = (2.0 * self.mobile as f64).sqrt().recip();
        let mut sign = || if rng.below(2) == 0 { size } else { -size };
        Mat::from_fn(self.mobile, self.pilots, |_, _| c64::new(sign(), sign()))
    }

    /// The three factors of x, and their supports.
    fn coefficients(&self, rng: &Rng) -> ([Vec<c64>; 3], Vec<Vec<usize>>) {
        let mut rng = rng.fork("paths");
        let mut normal = || c64::new(rng.normal_f64(), rng.normal_f64()) / 2f64.sqrt();
        let gains: Vec<[c64; 2]> = (0..self.spread).map(|_| [normal(), normal()]).collect();
        let [arrival, arrival_base] = [0; 2].map(|_| rng.below(self.angles - self.spread + 1));
        let [departure, departure_mobile] = [0; 2].map(|_| rng.below(self.angles));
        let scale = |antennas: usize| (antennas as f64 * self.elements as f64 / self.spread as f64).sqrt();
        let mut parts = [0; 3].map(|_| vec![c64::ZERO; self.angles]);
        parts[1][departure_mobile] = c64::ONE;
        for (path, [to_surface, to_base]) in gains.into_iter().enumerate() {
            // Of the angles at the surface only departure − arrival matters.
            let difference = (departure + self.angles - arrival - path) % self.angles;
            parts[0][difference] = to_surface * scale(self.mobile);
            parts[2][arrival_base + path] = to_base * scale(self.base);
        }
        let support = |part: &Vec<c64>| (0..self.angles).filter(|&w| part[w] != c64::ZERO).collect();
        let supports = parts.iter().map(support).collect();
        (parts, supports)
    }
}

impl Channel {
    /// H₂·diag(θ)·H₁ for every pattern θ from coefficients on the grid; [base, mobile] each.
    ///
    /// # Errors
    /// When there are not Π N_i coefficients.
    pub fn cascades(&self, coefficients: &[c64]) -> Result<Vec<Mat<c64>>> {
        let [surface, _, base] = self.instance.factors.as_slice() else {
            return Err(Error::Empty { what: "a factor of the channel" });
        };
        let whole = kronecker_apply(&[surface.as_ref(), self.mobile.as_ref(), base.as_ref()], coefficients)?;
        let (rows, columns) = (base.nrows(), self.mobile.nrows());
        let cascade = |part: &[c64]| MatRef::from_column_major_slice(part, rows, columns).to_owned();
        Ok(whole.chunks_exact(rows * columns).map(cascade).collect())
    }

    /// ‖Ĥ − H‖² / ‖H‖² of the cascades, their mean over the patterns.
    ///
    /// # Errors
    /// When there are not Π N_i coefficients.
    pub fn relative_error(&self, coefficients: &[c64]) -> Result<f64> {
        let (found, real) = (self.cascades(coefficients)?, self.cascades(&self.instance.coefficients)?);
        let ratios = found
            .iter()
            .zip(&real)
            .map(|(found, real)| (found - real).squared_norm_l2() / real.squared_norm_l2());
        Ok(ratios.sum::<f64>() / real.len() as f64)
    }
}

/// Steering vectors of a uniform line towards every angle of the grid; [antennas, angles].
fn steering(antennas: usize, angles: usize) -> Mat<c64> {
    let size = (antennas as f64).sqrt().recip();
    Mat::from_fn(antennas, angles, |antenna, angle| {
        let direction = 2.0 * angle as f64 / angles as f64 - 1.0;
        c64::from_polar(size, PI * direction * antenna as f64)
    })
}
