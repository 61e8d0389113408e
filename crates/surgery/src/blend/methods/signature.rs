//! Robust weight signatures: what training on damaged data teaches beyond training on clean data, as a patch.
//!
//!     u = w₁ − w₀,  vᵢ = wᵢ − w₀        w₀: `base_model`, pretrained; w₁: the first model, tuned on clean data; wᵢ: the others
//!     sᵢ = vᵢ − ⟨vᵢ, u⟩/‖u‖²·u          the signature of damage i, tensor by tensor; v where u is zero
//!     w = w₀ + c₁·u + Σ cᵢ·sᵢ           in the first `layers` only; elsewhere w₀ + c₁·u
//!
//! With c₁ = 1 (`weight` of the first model) the clean model is patched; with c₁ = 0 the result is the base with the signature
//! alone, which `task_arithmetic` on the same base adds to any of its fine-tunes, sums with others, or takes off with a weight
//! below 0. `layers` counts blocks, and weights in the order of the model where there are none; a head is never patched. Of
//! `levels` other than 0 a signature is rounded to so many evenly spaced values from its least to its largest number, and of 2
//! to ± its largest magnitude; with `logarithmic` to half as many magnitudes at equal ratios, with both signs, and zero.
//! Paper: [signature]. Departures: all layers when nothing is said (the paper's 7 are of its own networks); the
//! official code multiplies by the weight twice; of its quantisers the one by tanh is left out.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::rounding::Rounding;
use crate::blend::settings::Settings;
use crate::blend::sums::{combine, subtract};
use crate::blend::{Blend, HEAD_UNIT, Operands};
use rankine_kernels::reduce;

/// More layers than any model has.
const ALL_LAYERS: f64 = 1e9;

pub(super) static CARDS: &[Card] = &[Card {
    name: "signature",
    base: Base::Needed,
    models: [2, usize::MAX],
    parameters: &[
        Parameter::each("weight", Some(1.0), Range::Finite),
        Parameter::all("layers", Some(ALL_LAYERS), Range::Count),
        Parameter::all("levels", Some(0.0), Range::Count),
        Parameter::flag("logarithmic", false),
    ],
    skips_misshapen: false,
    make,
}];

struct Signature {
    /// c₁.
    clean: f64,
    /// Of the others; all 0 where nothing is patched.
    weights: Vec<f64>,
    rounding: Rounding,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    let clash =
        |expected, found: usize| Err(Wrong::Clash { one: "levels", expected, found: found.to_string() });
    let rounding = match (settings.one("levels") as usize, settings.flag("logarithmic")) {
        (0, _) => Rounding::Never,
        (levels @ 1, false) => return clash("0, or 2 and more", levels),
        (levels @ 1..=3, true) => return clash("0, or 4 and more where they are logarithmic", levels),
        (levels, false) => Rounding::Even(levels),
        (levels, true) => Rounding::Logarithmic(levels),
    };
    let mut weights = settings.each("weight").into_iter();
    let clean = weights.next().unwrap_or(1.0);
    let patched = settings.unit != HEAD_UNIT && (settings.unit as f64) < settings.one("layers");
    let weights = weights.map(|weight| if patched { weight } else { 0.0 }).collect();
    Ok(Box::new(Signature { clean, weights, rounding }))
}

impl Blend for Signature {
    fn is_elementwise(&self) -> bool {
        self.weights.iter().all(|&weight| weight == 0.0)
    }

    fn blend(&self, Operands { base, models, .. }: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Some((clean, robust)) = models.split_first_mut() else { return Ok(()) };
        if !self.is_elementwise() {
            // `out` holds u for now.
            out.copy_from_slice(clean);
            subtract(base, out);
            let squares = reduce::sum_of_squares(out);
            for (model, _) in robust.iter_mut().zip(&self.weights).filter(|(_, weight)| **weight != 0.0) {
                subtract(base, model);
                sign((&*out, squares), model, self.rounding);
            }
        }
        let signatures = self.weights.iter().copied().zip(robust.iter().map(Vec::as_slice));
        let start = [(1.0 - self.clean, base), (self.clean, clean.as_slice())];
        combine(&start.into_iter().chain(signatures).collect::<Vec<_>>(), out);
        Ok(())
    }
}

/// The signature of a tensor tuned on damaged data, rounded evenly to `levels` values unless that is 0: what it has of its own
/// beside the tensor tuned on clean data. All are as long as the tensor that both were tuned from.
pub fn robust_signature(base: &[f32], clean: &[f32], robust: &[f32], levels: usize) -> Vec<f32> {
    let [u, mut v] = [clean, robust].map(|tuned| {
        let mut change = tuned.to_vec();
        subtract(base, &mut change);
        change
    });
    sign((u.as_slice(), reduce::sum_of_squares(&u)), &mut v, Rounding::even(levels));
    v
}

/// v ← s, rounded, of a u with its ‖u‖².
fn sign((u, squares): (&[f32], f64), v: &mut [f32], rounding: Rounding) {
    let along = if squares == 0.0 { 0.0 } else { reduce::dot(v, u) / squares };
    for (v, u) in v.iter_mut().zip(u) {
        *v = (f64::from(*v) - along * f64::from(*u)) as f32;
    }
    rounding.apply(v);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blend::settings::Value;
    use rankine_random::Rng;

    fn operands<'a>(base: &'a [f32], models: &'a mut [Vec<f32>]) -> Operands<'a> {
        Operands { tensor: "x", base, models, width: base.len(), rng: Rng::new(0) }
    }

    #[test]
    fn too_few_levels_are_refused() {
        for (levels, logarithmic, is_made) in [
            (0.0, false, true),
            (1.0, false, false),
            (2.0, false, true),
            (0.0, true, true),
            (3.0, true, false),
            (4.0, true, true),
        ] {
            let mut settings = Settings::default();
            settings.values.insert("levels", Value::One(levels));
            settings.values.insert("logarithmic", Value::Flag(logarithmic));
            assert_eq!(make(&settings).is_ok(), is_made, "{levels}, {logarithmic}");
        }
    }

    #[test]
    fn a_signature_is_at_right_angles_to_what_clean_training_did() {
        let [base, clean, robust] = [1, 2, 3].map(|seed| Rng::new(seed).normals(500, 1.0));
        let alone = Signature { clean: 0.0, weights: vec![1.0], rounding: Rounding::Never };
        let (mut models, mut out) = (vec![clean.clone(), robust.clone()], vec![0.0; 500]);
        alone.blend(operands(&base, &mut models), &mut out).unwrap();
        let change = |x: &[f32]| x.iter().zip(&base).map(|(x, base)| x - base).collect::<Vec<f32>>();
        let (signature, u) = (change(&out), change(&clean));
        let same = robust_signature(&base, &clean, &robust, 0);
        assert!(same.iter().zip(&signature).all(|(x, y)| (x - y).abs() < 1e-6));
        let norms = (reduce::sum_of_squares(&signature) * reduce::sum_of_squares(&u)).sqrt();
        assert!((reduce::dot(&signature, &u) / norms).abs() < 1e-6);
        // On top of the clean model, and with a weight of 0 nothing.
        for weight in [1.0, -0.5, 0.0] {
            let patch = Signature { clean: 1.0, weights: vec![weight], rounding: Rounding::Never };
            let mut models = vec![clean.clone(), robust.clone()];
            patch.blend(operands(&base, &mut models), &mut out).unwrap();
            for ((out, clean), s) in out.iter().zip(&clean).zip(&signature) {
                assert!((out - clean - weight as f32 * s).abs() < 1e-5);
            }
        }
        assert_eq!(out, clean);
        // Nothing was learnt on clean data: the signature is the whole difference.
        let mut models = vec![base.clone(), robust.clone()];
        alone.blend(operands(&base, &mut models), &mut out).unwrap();
        assert!(out.iter().zip(&robust).all(|(out, robust)| (out - robust).abs() < 1e-6));
    }
}
