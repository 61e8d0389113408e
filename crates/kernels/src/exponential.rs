//! eˣ in f32 without a table or a branch, and the row operations of a softmax.
//!
//!     n = round(x / ln 2),  r = x − n·ln 2 ∈ [−0.347, 0.347],  eˣ = 2ⁿ · p(r)
//!
//! p is the degree-6 minimax polynomial of Cephes' `expf`; ln 2 is subtracted in two parts, of which the first has
//! few enough bits for n·ln 2 to be exact. The relative error stays below 1.5e-7. Results below the smallest normal
//! number (x < −87.33) are 0; above x = 88.37 they are ∞; NaN stays NaN.

use crate::vectorise::{LANES, Vector, load_part, store_part};

/// Where adding rounds to a whole number: 1.5 · 2²³. Its low bits are zeros, so the whole number lies in them.
const ROUNDER: f32 = 12_582_912.0;
const LOWEST: f32 = -87.33;
const HIGHEST: f32 = 88.37;

/// eˣ in every lane.
#[inline(always)]
pub(crate) fn exp<V: Vector>(x: V) -> V {
    let c = V::splat;
    // The operand that survives a NaN is the second one.
    let inside = c(HIGHEST).min(c(LOWEST).max(x));
    let rounded = inside.mul_add(c(std::f32::consts::LOG2_E), c(ROUNDER));
    let n = rounded.sub(c(ROUNDER));
    let r = n.mul_add(c(2.121_944_4e-4), n.mul_add(c(-0.693_359_4), inside));
    let scaled = polynomial(r).mul(rounded.power_of_two());
    let scaled = x.select_below(c(LOWEST), c(0.0), scaled);
    c(HIGHEST).select_below(x, c(f32::INFINITY), scaled)
}

/// eʳ on [−ln 2 / 2, ln 2 / 2].
#[inline(always)]
fn polynomial<V: Vector>(r: V) -> V {
    let coefficients = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = coefficients.into_iter().fold(V::splat(1.987_569_1e-4), |p, next| p.mul_add(r, V::splat(next)));
    p.mul_add(r.mul(r), r).add(V::splat(1.0))
}

vectorised! {
    /// Replaces x by exp(x − shift), element by element; their sum.
    pub(crate) fn exponentials<V>(x: &mut [f32], shift: f32) -> f32 {
        let (chunks, rest) = x.as_chunks_mut::<LANES>();
        let (shift, mut sum) = (V::splat(shift), V::splat(0.0));
        for chunk in chunks {
            let value = exp(V::load(chunk).sub(shift));
            value.store(chunk);
            sum = sum.add(value);
        }
        if !rest.is_empty() {
            // Behind the rest stands what becomes 0, whatever the shift.
            let value = exp(load_part::<V>(rest, f32::NEG_INFINITY).sub(shift));
            store_part(value, rest);
            return sum.sum() + rest.iter().sum::<f32>();
        }
        sum.sum()
    }

    /// The largest of the numbers; −∞ when there are none. NaN is passed over.
    pub(crate) fn maximum<V>(x: &[f32]) -> f32 {
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut largest = load_part::<V>(rest, f32::NEG_INFINITY).max(V::splat(f32::NEG_INFINITY));
        for chunk in chunks {
            largest = V::load(chunk).max(largest);
        }
        let mut lanes = [0.0; LANES];
        largest.store(&mut lanes);
        lanes.into_iter().fold(f32::NEG_INFINITY, |max, x| if x > max { x } else { max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    fn exp_of(x: f32) -> f32 {
        let mut x = [x];
        exponentials(&mut x, 0.0);
        x[0]
    }

    #[test]
    fn agrees_with_f64_over_the_whole_range() {
        let steps = 100_000;
        let at = |step: usize| LOWEST + (HIGHEST - LOWEST) * step as f32 / steps as f32;
        let points: Vec<f32> = (0..=steps).map(|step| at(step).min(HIGHEST)).collect();
        at_every_level(|| {
            let mut found = points.clone();
            exponentials(&mut found, 0.0);
            for (&x, found) in points.iter().zip(found) {
                let exact = f64::from(x).exp();
                let error = (f64::from(found) - exact).abs() / exact;
                assert!(error < 1.5e-7, "{x}: {error:e}");
            }
        });
    }

    #[test]
    fn keeps_what_is_not_finite() {
        at_every_level(|| {
            assert_eq!(exp_of(f32::NEG_INFINITY), 0.0);
            assert_eq!(exp_of(-1e30), 0.0);
            assert_eq!(exp_of(f32::INFINITY), f32::INFINITY);
            assert_eq!(exp_of(89.0), f32::INFINITY);
            assert!(exp_of(f32::NAN).is_nan());
            assert_eq!(exp_of(0.0), 1.0);
        });
    }

    #[test]
    fn sums_and_maxima_see_every_number() {
        at_every_level(|| {
            for length in [0, 1, 15, 16, 17, 40, 64] {
                let mut x: Vec<f32> = (0..length).map(|at| ((at * 7) % 11) as f32 - 5.0).collect();
                for at in 0..length {
                    x[at] += 20.0;
                    assert_eq!(maximum(&x), x[at]);
                    x[at] -= 20.0;
                }
                let exact: f64 = x.iter().map(|&x| f64::from(x - 3.0).exp()).sum();
                let found = f64::from(exponentials(&mut x, 3.0));
                assert!((found - exact).abs() <= 1e-6 * exact, "{length}: {found} {exact}");
            }
            assert_eq!(maximum(&[]), f32::NEG_INFINITY);
            assert_eq!(maximum(&[f32::NAN, 2.0, f32::NAN, 1.0]), 2.0);
        });
    }
}
