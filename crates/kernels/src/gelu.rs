//! The Gaussian error linear unit, exact and with the tanh of older models.
//!
//!     exact:  y = x · Φ(x),  Φ(x) = (1 + erf(x/√2)) / 2            dx = dy · (Φ(x) + x · φ(x)),  φ(x) = e^(−x²/2) / √(2π)
//!     tanh:   y = x · σ(2u), u = √(2/π) · (x + 0.044715·x³)         dx = dy · (σ + x · σ · (1 − σ) · 2u′)
//!
//! (1 + tanh u)/2 = σ(2u). All slices have one length. Nothing but x is kept for the backward pass.
//!
//! Φ(−|x|) = ½·t·exp(−x²/2 + p(t)), t = 1/(1 + |x|/√8), with the polynomial p of `erfcc` in Numerical Recipes (§6.2): its
//! error is a part of Φ, below 1.2e-7 of it, so that far from 0 nothing cancels.

use crate::exponential::exp;
use crate::swiglu::sigmoid;
use crate::tasks::{self, CHUNK};
use crate::vectorise::{LANES, Vector, load, store};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// With the error function.
    Exact,
    /// With a hyperbolic tangent.
    Tanh,
}

/// Beyond this the tanh form is 0 or x in f32, and its cubes stay finite.
const SATURATED: f32 = 20.0;
const CUBIC: f32 = 0.044_715;
/// 2·√(2/π).
const TWICE_ROOT: f32 = 1.595_769_2;
/// 1/√(2π).
const DENSITY: f32 = 0.398_942_3;

/// p, highest power first.
const P: [f32; 10] = [
    0.170_872_76,
    -0.822_152_26,
    1.488_515_9,
    -1.135_204,
    0.278_868_08,
    -0.186_288_06,
    0.096_784_18,
    0.374_091_95,
    1.000_023_7,
    -1.265_512_2,
];

impl Gelu {
    /// `y = gelu(x)`, number by number.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn forward(self, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len(), "input and output of a gelu differ in length");
        let tasks = x.chunks(CHUNK).zip(y.chunks_mut(CHUNK)).collect();
        tasks::run(tasks, |(x, y)| match self {
            Self::Exact => exact(x, y),
            Self::Tanh => tanh(x, y),
        });
    }

    /// `dx = dy · gelu′(x)`; overwrites `dx`.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn backward(self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        assert!(x.len() == dy.len() && x.len() == dx.len(), "input and gradients of a gelu differ in length");
        let tasks = x.chunks(CHUNK).zip(dy.chunks(CHUNK)).zip(dx.chunks_mut(CHUNK)).collect();
        tasks::run(tasks, |((x, dy), dx)| match self {
            Self::Exact => exact_backward(x, dy, dx),
            Self::Tanh => tanh_backward(x, dy, dx),
        });
    }
}

/// Φ(x); NaN stays NaN.
#[inline(always)]
fn distribution<V: Vector>(x: V) -> V {
    let (zero, half, one) = (V::splat(0.0), V::splat(0.5), V::splat(1.0));
    let size = x.max(zero.sub(x)).mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = one.div(size.mul_add(half, one));
    let p = P.into_iter().fold(zero, |sum, next| sum.mul_add(t, V::splat(next)));
    let tail = exp(zero.sub(size).mul_add(size, p)).mul(t).mul(half);
    x.select_below(zero, tail, one.sub(tail))
}

/// x within what the cube can hold, and σ(2u).
#[inline(always)]
fn gate<V: Vector>(x: V) -> (V, V) {
    let c = V::splat;
    let inside = c(SATURATED).min(c(-SATURATED).max(x));
    let cubed = inside.mul(inside).mul_add(c(CUBIC), c(1.0)).mul(inside);
    (inside, sigmoid(cubed.mul(c(TWICE_ROOT))))
}

vectorised! {
    fn exact<V>(x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks(LANES).zip(y.chunks_mut(LANES)) {
            let x = load::<V>(x);
            store(x.mul(distribution(x)), y);
        }
    }

    fn exact_backward<V>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((x, dy), dx) in x.chunks(LANES).zip(dy.chunks(LANES)).zip(dx.chunks_mut(LANES)) {
            let (x, dy) = (load::<V>(x), load::<V>(dy));
            let density = exp(x.mul(x).mul(V::splat(-0.5))).mul(V::splat(DENSITY));
            store(density.mul_add(x, distribution(x)).mul(dy), dx);
        }
    }

    fn tanh<V>(x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks(LANES).zip(y.chunks_mut(LANES)) {
            let x = load::<V>(x);
            store(x.mul(gate(x).1), y);
        }
    }

    fn tanh_backward<V>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let one = V::splat(1.0);
        for ((x, dy), dx) in x.chunks(LANES).zip(dy.chunks(LANES)).zip(dx.chunks_mut(LANES)) {
            let (x, sigma) = gate(load::<V>(x));
            let slope = x.mul(x).mul_add(V::splat(3.0 * CUBIC), one).mul(V::splat(TWICE_ROOT));
            let rise = sigma.mul(one.sub(sigma)).mul(x).mul_add(slope, sigma);
            store(rise.mul(load(dy)), dx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    /// Φ(x) from the series erf z = 2/√π · e^(−z²) · Σ_n 2ⁿ·z^(2n+1)/(2n + 1)!!, whose terms have one sign.
    fn distribution(x: f64) -> f64 {
        let z = x.abs() / 2f64.sqrt();
        let (mut term, mut sum) = (z, 0.0);
        for n in 1..200 {
            sum += term;
            term *= 2.0 * z * z / f64::from(2 * n + 1);
        }
        let erf = std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp() * sum;
        0.5 + 0.5 * erf.copysign(x)
    }

    fn exact(x: f64) -> [f64; 2] {
        let (phi, density) = (distribution(x), (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt());
        [x * phi, phi + x * density]
    }

    fn tanh(x: f64) -> [f64; 2] {
        let root = std::f64::consts::FRAC_2_PI.sqrt();
        let t = (root * (x + 0.044_715 * x.powi(3))).tanh();
        let slope = root * (1.0 + 3.0 * 0.044_715 * x * x);
        [0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope]
    }

    #[test]
    fn every_level_agrees_with_f64() {
        let x: Vec<f32> = (0..1601).map(|at| at as f32 * 0.01 - 8.0).collect();
        let ones = vec![1.0; x.len()];
        type Formula = fn(f64) -> [f64; 2];
        let forms: [(Gelu, Formula); 2] = [(Gelu::Exact, exact), (Gelu::Tanh, tanh)];
        at_every_level(|| {
            for (form, formula) in forms {
                let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                form.forward(&x, &mut y);
                form.backward(&x, &ones, &mut dx);
                for (at, &x) in x.iter().enumerate() {
                    let [value, slope] = formula(f64::from(x));
                    let error = (f64::from(y[at]) - value).abs();
                    assert!(error <= 6e-7 * value.abs() + 2e-7, "{form:?}({x}): {} {value}", y[at]);
                    let error = (f64::from(dx[at]) - slope).abs();
                    assert!(error <= 2e-6, "{form:?}′({x}): {} {slope}", dx[at]);
                }
            }
        });
    }

    #[test]
    fn the_ends_are_flat_and_nan_stays() {
        at_every_level(|| {
            for form in [Gelu::Exact, Gelu::Tanh] {
                let (mut y, mut dx) = ([1.0; 5], [1.0; 5]);
                let x = [-1e18, -50.0, 50.0, 1e18, f32::NAN];
                form.forward(&x, &mut y);
                form.backward(&x, &[1.0; 5], &mut dx);
                assert!(y[..2] == [0.0; 2] && y[2..4] == x[2..4] && y[4].is_nan(), "{form:?}: {y:?}");
                assert!(dx[..4] == [0.0, 0.0, 1.0, 1.0] && dx[4].is_nan(), "{form:?}: {dx:?}");
            }
        });
    }
}
