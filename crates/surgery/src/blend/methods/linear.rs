//! The weighted mean of models.
//!
//!     w = Σ cᵢ·wᵢ / Σ cᵢ        without `normalize` Σ cᵢ·wᵢ

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::combine;
use crate::blend::{Blend, Operands};

pub(super) static CARDS: &[Card] = &[Card {
    name: "linear",
    base: Base::Passed,
    models: [1, usize::MAX],
    parameters: &[Parameter::each("weight", None, Range::Finite), Parameter::flag("normalize", true)],
    skips_misshapen: false,
    make,
}];

struct Linear {
    factors: Vec<f64>,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    let weights = settings.each("weight");
    let total: f64 = if settings.flag("normalize") { weights.iter().sum() } else { 1.0 };
    if total.abs() < 1e-8 {
        let expected = "weights whose sum is not 0, or go with `normalize: false`";
        return Err(Wrong::Clash { one: "weight", expected, found: format!("{weights:?}") });
    }
    Ok(Box::new(Linear { factors: weights.iter().map(|weight| weight / total).collect() }))
}

impl Blend for Linear {
    fn is_elementwise(&self) -> bool {
        true
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let models = operands.models.iter().map(Vec::as_slice);
        combine(&self.factors.iter().copied().zip(models).collect::<Vec<_>>(), out);
        Ok(())
    }
}
