//! The spherical middle of any number of models, or of their differences from a base.
//!
//!     uᵢ = wᵢ / (‖wᵢ‖ + ε)        m = Σ cᵢ·uᵢ        w = Σ cᵢ·‖wᵢ‖ · m / ‖m‖
//!
//! Weights are made to add to 1 (`normalize_weights`). mergekit goes on from m along the mean of the directions to the uᵢ in the
//! space that touches the sphere at m; those directions add to zero there, so m is the end of the way.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::{combine, subtract};
use crate::blend::{Blend, Operands};
use rankine_kernels::reduce;

pub(super) static CARDS: &[Card] = &[Card {
    name: "multislerp",
    base: Base::Taken,
    models: [1, usize::MAX],
    parameters: &[
        Parameter::each("weight", None, Range::Finite),
        Parameter::flag("normalize_weights", true),
        Parameter::all("eps", Some(1e-8), Range::Positive),
    ],
    skips_misshapen: false,
    make,
}];

struct MultiSlerp {
    weights: Vec<f64>,
    epsilon: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    let mut weights = settings.each("weight");
    if settings.flag("normalize_weights") {
        let total: f64 = weights.iter().sum();
        if total.abs() < 1e-8 {
            let expected = "weights whose sum is not 0, or go with `normalize_weights: false`";
            return Err(Wrong::Clash { one: "weight", expected, found: format!("{weights:?}") });
        }
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
    Ok(Box::new(MultiSlerp { weights, epsilon: settings.one("eps") }))
}

impl Blend for MultiSlerp {
    fn is_elementwise(&self) -> bool {
        self.weights.len() == 1
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Operands { tensor, base, models, .. } = operands;
        if let ([model], true) = (&*models, self.is_elementwise()) {
            out.copy_from_slice(model);
            return Ok(());
        }
        if !base.is_empty() {
            models.iter_mut().for_each(|model| subtract(base, model));
        }
        let norms: Vec<f64> = models.iter().map(|model| reduce::sum_of_squares(model).sqrt()).collect();
        let sum = |factors: &[f64], out: &mut [f32]| {
            let terms = factors.iter().copied().zip(models.iter().map(Vec::as_slice));
            combine(&terms.collect::<Vec<_>>(), out);
        };
        let units: Vec<f64> =
            self.weights.iter().zip(&norms).map(|(weight, norm)| weight / (norm + self.epsilon)).collect();
        sum(&units, out);
        let length = reduce::sum_of_squares(out).sqrt();
        if self.epsilon <= length {
            let mean: f64 = self.weights.iter().zip(&norms).map(|(weight, norm)| weight * norm).sum();
            let factors: Vec<f64> = units.iter().map(|unit| unit * mean / length).collect();
            sum(&factors, out);
        } else if models.len() == 2 || norms.iter().all(|&norm| norm < self.epsilon) {
            // Opposed, or nothing: the straight way, as mergekit goes it for two.
            sum(&self.weights, out);
        } else {
            return Err(Wrong::Opposed { tensor: tensor.to_owned() });
        }
        if !base.is_empty() {
            out.iter_mut().zip(base).for_each(|(out, base)| *out += base);
        }
        Ok(())
    }
}
