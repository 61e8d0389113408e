//! eˣ in f64 without a table or a branch, and what entropic transport does with the columns of its plan.
//!
//!     e_i = exp((f_i + g − c_i) / ε)          one column: c, f, e: [n]
//!
//! n = round(x / ln 2),  r = x − n·ln 2,  eˣ = 2ⁿ · (1 + r + r²·q(r)), q of degree 9, of the least largest relative error of eʳ,
//! 3.6e-18 (found by Remez' exchange); ln 2 is subtracted in two parts, of which the first has few enough bits for n·ln 2 to
//! be exact. The result is within 1 ulp of the exact one (2 without fused multiplication). Results below the smallest normal
//! number (x < −708.39) are 0; above x = 709.43 they are ∞; NaN stays NaN.

use crate::vectorise::double::{Double, LANES, load_part, store_part};

/// Where adding rounds to a whole number: 1.5 · 2⁵². Its low bits are zeros, so the whole number lies in them.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
const LOWEST: f64 = -708.39;
const HIGHEST: f64 = 709.43;
/// ln 2 in two parts; the first ends in 21 zeros.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
/// q, from the highest degree on.
const COEFFICIENTS: [f64; 10] = [
    2.500_001_809_470_384_3e-8,
    2.763_030_623_625_996e-7,
    2.755_758_680_620_069_6e-6,
    2.480_149_294_967_783e-5,
    1.984_126_950_577_131_8e-4,
    1.388_888_894_375_992e-3,
    8.333_333_333_494_978e-3,
    4.166_666_666_652_972_5e-2,
    1.666_666_666_666_641e-1,
    5.000_000_000_000_011e-1,
];

/// eˣ in every lane.
#[inline(always)]
fn exp_of<D: Double>(x: D) -> D {
    let c = D::splat;
    // The operand that survives a NaN is the second one.
    let inside = c(HIGHEST).min(c(LOWEST).max(x));
    let rounded = inside.mul_add(c(std::f64::consts::LOG2_E), c(ROUNDER));
    let n = rounded.sub(c(ROUNDER));
    let r = n.mul_add(c(-LN_2[1]), n.mul_add(c(-LN_2[0]), inside));
    let [first, rest @ ..] = COEFFICIENTS;
    let q = rest.into_iter().fold(c(first), |q, next| q.mul_add(r, c(next)));
    let scaled = q.mul_add(r.mul(r), r).add(c(1.0)).mul(rounded.power_of_two());
    let scaled = x.select_below(c(LOWEST), c(0.0), scaled);
    c(HIGHEST).select_below(x, c(f64::INFINITY), scaled)
}

/// exp((source + shift − cost) · factor).
#[inline(always)]
fn entry<D: Double>(cost: D, source: D, [shift, factor]: [D; 2]) -> D {
    exp_of(source.add(shift).sub(cost).mul(factor))
}

/// Replaces every x by eˣ.
pub fn exp(x: &mut [f64]) {
    exponentials(x);
}

/// e_i = exp((f_i + g − c_i) / ε); returns their sum. −∞ in f or g gives zeros. Of one length: cost, source, out.
///
/// # Panics
/// When the lengths differ.
pub fn column(cost: &[f64], source: &[f64], target: f64, regularization: f64, out: &mut [f64]) -> f64 {
    assert!(cost.len() == out.len() && source.len() == out.len(), "cost, source and out have one length");
    fill(cost, source, [target, regularization.recip()], out)
}

vectorised! {
    fn exponentials<V>(x: &mut [f64]) {
        let (chunks, rest) = x.as_chunks_mut::<LANES>();
        for chunk in chunks {
            exp_of(V::Double::load(chunk)).store(chunk);
        }
        store_part(exp_of(load_part::<V::Double>(rest, 0.0)), rest);
    }

    fn fill<V>(cost: &[f64], source: &[f64], shift_and_factor: [f64; 2], out: &mut [f64]) -> f64 {
        let by = [V::Double::splat(shift_and_factor[0]), V::Double::splat(shift_and_factor[1])];
        let (costs, cost_rest) = cost.as_chunks::<LANES>();
        let (sources, source_rest) = source.as_chunks::<LANES>();
        let (outs, out_rest) = out.as_chunks_mut::<LANES>();
        let mut sum = V::Double::splat(0.0);
        for ((cost, source), out) in costs.iter().zip(sources).zip(outs) {
            let value = entry(V::Double::load(cost), V::Double::load(source), by);
            value.store(out);
            sum = sum.add(value);
        }
        if !out_rest.is_empty() {
            // Behind the rest stand costs that make zeros.
            let value = entry(load_part(cost_rest, f64::INFINITY), load_part(source_rest, 0.0), by);
            store_part(value, out_rest);
            return sum.sum() + out_rest.iter().sum::<f64>();
        }
        sum.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{add_scaled, dot};
    use crate::cpu::at_every_level;

    /// Distance from std's result in units of its last place.
    fn ulps(x: f64) -> f64 {
        let (mut found, exact) = ([x], x.exp());
        exp(&mut found);
        (found[0] - exact).abs() / (f64::from_bits(exact.to_bits() + 1) - exact)
    }

    #[test]
    fn exponentials_agree_with_std() {
        let steps = 200_000;
        at_every_level(|| {
            for step in 0..=steps {
                let share = f64::from(step) / f64::from(steps);
                for x in [LOWEST + (HIGHEST - LOWEST) * share, 2.0 * share - 1.0] {
                    assert!(ulps(x) <= 2.0, "{x}: {}", ulps(x));
                }
            }
        });
    }

    #[test]
    fn exponentials_keep_what_is_not_finite() {
        at_every_level(|| {
            let mut x = [f64::NEG_INFINITY, -1e300, -708.4, 0.0, 709.44, f64::INFINITY, f64::NAN, -0.0, 1.0];
            exp(&mut x);
            let [low, lower, lowest, one, high, higher, nan, other, e] = x;
            assert_eq!([low, lower, lowest, one, other], [0.0, 0.0, 0.0, 1.0, 1.0]);
            assert_eq!([high, higher], [f64::INFINITY; 2]);
            assert!(nan.is_nan() && (e - std::f64::consts::E).abs() < 1e-15);
        });
    }

    #[test]
    fn columns_of_every_length_and_their_sums() {
        at_every_level(|| {
            for length in [0, 1, 7, 8, 9, 16, 31] {
                let cost: Vec<f64> = (0..length).map(|i| ((i * 7) % 11) as f64 / 5.0).collect();
                let source: Vec<f64> = (0..length)
                    .map(|i| if i % 6 == 5 { f64::NEG_INFINITY } else { i as f64 / 9.0 })
                    .collect();
                let expected: Vec<f64> =
                    cost.iter().zip(&source).map(|(c, f)| ((f + 0.3 - c) / 0.7).exp()).collect();
                let mut out = vec![0.0; length];
                let sum = column(&cost, &source, 0.3, 0.7, &mut out);
                for (found, exact) in out.iter().zip(&expected) {
                    assert!((found - exact).abs() <= 1e-14 * exact, "{found} {exact}");
                }
                let total: f64 = expected.iter().sum();
                assert!((sum - total).abs() <= 1e-14 * total);
                let mut sums = vec![1.0; length];
                add_scaled(&mut sums, 2.0, &out);
                let scaled: f64 = sums.iter().sum();
                assert!((scaled - (length as f64 + 2.0 * total)).abs() <= 1e-13 * scaled);
                let squares: f64 = out.iter().map(|x| x * x).sum();
                assert!((dot(&out, &out) - squares).abs() <= 1e-13 * squares);
            }
            let mut out = [1.0; 9];
            assert_eq!(column(&[0.0; 9], &[0.0; 9], f64::NEG_INFINITY, 1e-3, &mut out), 0.0);
            assert_eq!(out, [0.0; 9]);
        });
    }
}
