//! Spherical interpolation between two models, every tensor as one vector.
//!
//!     w = a·w₀ + b·w₁        w₀: `base_model`; a and b at `t`, see `arc`
//!
//! Where the angle is small, |cos θ| > 0.9995, straight: a = 1 − t, b = t.

use crate::blend::arc::{Products, factors};
use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::combine;
use crate::blend::{Blend, Operands};

/// From here on vectors count as parallel.
const PARALLEL: f64 = 0.9995;
/// A shorter vector is not made a unit.
const SHORTEST: f64 = 1e-8;

pub(super) static CARDS: &[Card] = &[Card {
    name: "slerp",
    base: Base::Needed,
    models: [1, 1],
    parameters: &[Parameter::all("t", None, Range::Finite)],
    skips_misshapen: false,
    make,
}];

struct Slerp {
    t: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(Slerp { t: settings.one("t") }))
}

impl Blend for Slerp {
    fn is_elementwise(&self) -> bool {
        // The ends need no angle.
        self.t == 0.0 || self.t == 1.0
    }

    fn blend(&self, Operands { base, models, .. }: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Some(other) = models.first() else { return Ok(()) };
        let straight = (1.0 - self.t, self.t);
        let (a, b) = if self.is_elementwise() {
            straight
        } else {
            let unit = |norm: f64| if SHORTEST < norm { norm } else { 1.0 };
            match Products::of(base, other).cosine(unit) {
                cosine if cosine.abs() <= PARALLEL => factors(self.t, cosine),
                _ => straight,
            }
        };
        combine(&[(a, base), (b, other.as_slice())], out);
        Ok(())
    }
}
