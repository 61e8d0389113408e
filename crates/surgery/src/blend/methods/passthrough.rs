//! One model as it is, or scaled: what stacks of layers are made with.
//!
//!     w = s·w₁        s: `scale`

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::combine;
use crate::blend::{Blend, Operands};

pub(super) static CARDS: &[Card] = &[Card {
    name: "passthrough",
    base: Base::Passed,
    models: [1, 1],
    parameters: &[Parameter::each("scale", Some(1.0), Range::Finite)],
    skips_misshapen: false,
    make,
}];

struct Passthrough {
    scale: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(Passthrough { scale: settings.each("scale").first().copied().unwrap_or(1.0) }))
}

impl Blend for Passthrough {
    fn is_elementwise(&self) -> bool {
        true
    }

    fn is_copy(&self) -> bool {
        self.scale == 1.0
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let models = operands.models.iter().map(|model| (self.scale, model.as_slice()));
        combine(&models.collect::<Vec<_>>(), out);
        Ok(())
    }
}
