//! Rotary positions of a GGUF file.
//!
//! Linear scaling is a key. Llama 3's scaling is not: the converter stores, for each frequency, the number that divides
//! it (`rope_freqs.weight`, [head_dim/2]), computed from four parameters F, low, high and N:
//!
//!     w_i = 2π · theta^(2i/head_dim)     s_i = (N/w_i − low) / (high − low) clamped to [0, 1]
//!     1/factor_i = (1 − s_i)/F + s_i
//!
//! `config.json` wants the parameters back. F is the largest factor; between the clamps s_i = a/w_i − b with
//! a = N/(high − low), b = low/(high − low), a straight line through the given points. Low, high and N are known up to
//! a common factor, and low = 1 in every model of this kind. A result counts only if it gives the stored factors.

use super::Fault;
use super::value::Metadata;
use crate::config::{Rope, RopeScaling};
use std::f64::consts::TAU;

/// Largest relative difference of a factor from the stored one: the rounding of f32, with room for its propagation.
const TOLERANCE: f64 = 1e-5;

/// High and N of Llama 3.1 and 3.2: small heads have too few frequencies to tell them.
const USUAL: (f64, f64) = (4.0, 8192.0);

/// Base and scaling under the keys of `architecture`; `factors` as in the module doc.
pub(super) fn rope(
    metadata: &Metadata,
    architecture: &str,
    head_dim: usize,
    factors: Option<&[f32]>,
) -> Result<Rope, Fault> {
    let theta = metadata.float(&format!("{architecture}.rope.freq_base"))?.unwrap_or(10_000.0);
    let keyed = keyed_scaling(metadata, architecture)?;
    let scaling = match (keyed, factors) {
        (keyed, None) => keyed,
        (RopeScaling::None, Some(factors)) => recover(theta, head_dim, factors).ok_or_else(unsupported)?,
        (_, Some(_)) => return Err(unsupported()),
    };
    Ok(Rope { theta, scaling })
}

/// What the rope's scaling divides each frequency by, where it is one of factors; [head_dim/2].
pub(super) fn factors(rope: &Rope, head_dim: usize) -> Option<Vec<f32>> {
    let RopeScaling::Llama3 { factor, low, high, original } = rope.scaling else { return None };
    let divisor = |wavelength: f64| {
        let s = ((original as f64 / wavelength - low) / (high - low)).clamp(0.0, 1.0);
        (1.0 / ((1.0 - s) / factor + s)) as f32
    };
    Some(wavelengths(rope.theta, head_dim).into_iter().map(divisor).collect())
}

fn unsupported() -> Fault {
    Fault::Feature { what: "rotary factors other than those of Llama 3", key: super::ROPE_FACTORS.to_owned() }
}

fn keyed_scaling(metadata: &Metadata, architecture: &str) -> Result<RopeScaling, Fault> {
    let key = |key| format!("{architecture}.rope.{key}");
    let kind = key("scaling.type");
    match metadata.string(&kind)? {
        Some("none") => Ok(RopeScaling::None),
        // Old writers give the factor alone, and 0 or 1 for none.
        None | Some("linear") => {
            let factor = match metadata.float(&key("scaling.factor"))? {
                Some(factor) => Some(factor),
                None => metadata.float(&key("scale_linear"))?,
            };
            Ok(match factor {
                None | Some(0.0 | 1.0) => RopeScaling::None,
                Some(factor) => RopeScaling::Linear { factor },
            })
        }
        Some(_) => Err(Fault::Feature { what: "rotary scalings other than linear", key: kind }),
    }
}

/// The parameters that give `factors`; [head_dim/2].
fn recover(theta: f64, head_dim: usize, factors: &[f32]) -> Option<RopeScaling> {
    if factors.len() != head_dim / 2 || !factors.iter().all(|factor| factor.is_finite() && 1.0 <= *factor) {
        return None;
    }
    let wavelengths = wavelengths(theta, head_dim);
    let factor: f64 = factors.iter().copied().fold(1.0, f32::max).into();
    if factor == 1.0 {
        return Some(RopeScaling::None);
    }
    fitted(&wavelengths, factors, factor).into_iter().chain([USUAL]).find_map(|(high, original)| {
        let given = |wavelength: f64| {
            let s = ((original / wavelength - 1.0) / (high - 1.0)).clamp(0.0, 1.0);
            1.0 / ((1.0 - s) / factor + s)
        };
        let agree = |(&wavelength, &stored): (&f64, &f32)| {
            (given(wavelength) - stored as f64).abs() <= TOLERANCE * stored as f64
        };
        let scaling = RopeScaling::Llama3 { factor, low: 1.0, high, original: original as usize };
        wavelengths.iter().zip(factors).all(agree).then_some(scaling)
    })
}

/// High and N by the line through the points between the clamps; `None` where these are fewer than two.
fn fitted(wavelengths: &[f64], factors: &[f32], factor: f64) -> Option<(f64, f64)> {
    let s = |stored: f32| (1.0 / stored as f64 - 1.0 / factor) / (1.0 - 1.0 / factor);
    let points = wavelengths.iter().zip(factors).map(|(wavelength, &stored)| (1.0 / wavelength, s(stored)));
    let between = points.filter(|&(_, s)| TOLERANCE < s && s < 1.0 - TOLERANCE);
    let (a, b) = line(&between.collect::<Vec<_>>())?;
    let (high, original) = (((1.0 + 1.0 / b) * 1e3).round() / 1e3, (a / b).round());
    (1.0 < high && 1.0 <= original && original < u32::MAX as f64).then_some((high, original))
}

/// In positions; [head_dim/2].
fn wavelengths(theta: f64, head_dim: usize) -> Vec<f64> {
    (0..head_dim / 2).map(|i| TAU * theta.powf(2.0 * i as f64 / head_dim as f64)).collect()
}

/// `(a, b)` of `y = a x − b` by the outermost of the points, whose distance carries the least rounding.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let [(x, y), .., (end_x, end_y)] = *points else { return None };
    let a = (end_y - y) / (end_x - x);
    Some((a, a * x - y)).filter(|(a, b)| a.is_finite() && b.is_finite() && 0.0 < *b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Value;

    /// The converter's rule, in its own terms and in f32 at the end.
    fn factors(theta: f64, head_dim: usize, (factor, low, high, context): (f64, f64, f64, f64)) -> Vec<f32> {
        let each = |i| {
            let wavelength = TAU / theta.powf(-2.0 * i as f64 / head_dim as f64);
            if wavelength < context / high {
                return 1.0;
            }
            if context / low < wavelength {
                return factor as f32;
            }
            let smooth = (context / wavelength - low) / (high - low);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        };
        (0..head_dim / 2).map(each).collect()
    }

    fn metadata(entries: &[(&str, Value)]) -> Metadata {
        Metadata(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn llama_3_parameters_come_back() {
        for head_dim in [64, 128] {
            for (factor, high, original) in [(8.0, 4.0, 8192), (32.0, 4.0, 8192), (16.0, 8.0, 4096)] {
                let stored = factors(500_000.0, head_dim, (factor, 1.0, high, original as f64));
                let expected = RopeScaling::Llama3 { factor, low: 1.0, high, original };
                assert_eq!(recover(500_000.0, head_dim, &stored), Some(expected));
                let rope = Rope { theta: 500_000.0, scaling: expected };
                let written = super::factors(&rope, head_dim).unwrap();
                assert!(written.iter().zip(&stored).all(|(a, b)| (a - b).abs() <= 1e-5 * b));
            }
        }
    }

    #[test]
    fn small_heads_have_the_usual_parameters() {
        let expected = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192 };
        for (head_dim, expected) in [(8, expected), (16, expected), (2, RopeScaling::None)] {
            let stored = factors(500_000.0, head_dim, (8.0, 1.0, 4.0, 8192.0));
            assert_eq!(recover(500_000.0, head_dim, &stored), Some(expected), "{head_dim}");
        }
    }

    #[test]
    fn other_factors_are_refused() {
        let right = factors(500_000.0, 64, (8.0, 1.0, 4.0, 8192.0));
        assert_eq!(recover(500_000.0, 64, &[1.0; 32]), Some(RopeScaling::None));
        assert_eq!(recover(500_000.0, 64, &right[1..]), None);
        assert_eq!(recover(10_000.0, 64, &right), None);
        for (at, factor) in [(0, 2.0), (31, 1.0), (31, f32::NAN), (31, f32::INFINITY), (0, 0.5), (16, 3.0)] {
            let mut wrong = right.clone();
            wrong[at] = factor;
            assert_eq!(recover(500_000.0, 64, &wrong), None, "{at} {factor}");
        }
        assert_eq!(recover(0.0, 64, &right), None);
        assert_eq!(recover(f64::NAN, 64, &right), None);
    }

    #[test]
    fn linear_scaling_under_its_two_keys() {
        let linear = RopeScaling::Linear { factor: 4.0 };
        let kind = ("llama.rope.scaling.type", Value::String("linear".to_owned()));
        let factor = ("llama.rope.scaling.factor", Value::F32(4.0));
        let old = ("llama.rope.scale_linear", Value::F32(4.0));
        for (entries, expected) in [
            (vec![kind.clone(), factor.clone()], linear),
            (vec![old], linear),
            (vec![kind.clone(), ("llama.rope.scaling.factor", Value::F32(1.0))], RopeScaling::None),
            (vec![], RopeScaling::None),
        ] {
            assert_eq!(rope(&metadata(&entries), "llama", 64, None).unwrap().scaling, expected);
        }
        assert!(rope(&metadata(&[kind, factor]), "llama", 64, Some(&[1.0; 32])).is_err());
    }
}
