//! WiSE-FT: on the line from a pretrained model to its fine-tune.
//!
//!     w = (1 − α)·w₀ + α·w₁        w₀: `base_model`
//!
//! Both ends are kept bit for bit. Fine-tuned with smoothed labels or mixup, this is BANG.
//! Paper: [interpolate]. The variant that weighs by Fisher information is a method of its own, `fisher`.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::combine;
use crate::blend::{Blend, Operands};

pub(super) static CARDS: &[Card] = &[Card {
    name: "wise_ft",
    base: Base::Needed,
    models: [1, 1],
    // What the paper takes where there are no data to choose by.
    parameters: &[Parameter::all("alpha", Some(0.5), Range::Unit)],
    skips_misshapen: false,
    make,
}];

struct WiseFt {
    alpha: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(WiseFt { alpha: settings.one("alpha") }))
}

impl Blend for WiseFt {
    fn is_elementwise(&self) -> bool {
        true
    }

    fn blend(&self, Operands { base, models, .. }: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let tuned = models.iter().map(|model| (self.alpha, model.as_slice()));
        combine(&[(1.0 - self.alpha, base)].into_iter().chain(tuned).collect::<Vec<_>>(), out);
        Ok(())
    }
}
