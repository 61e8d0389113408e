//! WiSE-FT where every number counts as much as its model knows of it.
//!
//!     w = ((1 − α)·F₀·w₀ + α·F₁·w₁) / ((1 − α)·F₀ + α·F₁)        w₀: `base_model`, w₁: the first model
//!
//! F₀ and F₁, the second and the third model, are the diagonals of the Fisher information of both, under the names of their
//! tensors, as `rankine fisher` writes them; no configuration is asked of them. Numbers below `floor` count as that. Both ends are
//! kept bit for bit.
//! Paper: [interpolate], of the WiSE-FT that it starts from; `floor` is that of its code.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::{Blend, Operands};

pub(super) static CARDS: &[Card] = &[Card {
    name: "fisher",
    base: Base::Needed,
    models: [3, 3],
    parameters: &[
        Parameter::all("alpha", Some(0.5), Range::Unit),
        Parameter::all("floor", Some(1e-8), Range::Positive),
    ],
    skips_misshapen: false,
    make,
}];

struct Fisher {
    alpha: f64,
    floor: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(Fisher { alpha: settings.one("alpha"), floor: settings.one("floor") }))
}

impl Blend for Fisher {
    fn is_elementwise(&self) -> bool {
        true
    }

    fn blend(&self, Operands { base, models, .. }: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let [tuned, of_base, of_tuned] = &*models else { return Ok(()) };
        let before = base.iter().zip(of_base);
        let after = tuned.iter().zip(of_tuned);
        for (out, ((&before, &known_before), (&after, &known_after))) in out.iter_mut().zip(before.zip(after))
        {
            let [mine, other] = [known_before, known_after].map(|known| f64::from(known).max(self.floor));
            let share = self.alpha * other / ((1.0 - self.alpha) * mine + self.alpha * other);
            *out = ((1.0 - share) * f64::from(before) + share * f64::from(after)) as f32;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    fn blended(alpha: f64, base: &[f32], models: [&[f32]; 3]) -> Vec<f32> {
        let mut models = models.map(<[f32]>::to_vec);
        let mut out = vec![0.0; base.len()];
        let rng = Rng::new(0);
        let operands = Operands { tensor: "x", base, models: &mut models, width: base.len(), rng };
        Fisher { alpha, floor: 1e-8 }.blend(operands, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_known_better_counts_more() {
        // Three times as well known; unknown on one side, then on both; and by α alone.
        let (base, tuned) = ([1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]);
        let (mine, other) = ([1.0, 0.0, 0.0, 2.0], [3.0, 1.0, -5.0, 2.0]);
        let out = blended(0.5, &base, [&tuned, &mine, &other]);
        for (out, expected) in out.iter().zip([2.5, 3.0, 2.0, 2.0]) {
            assert!((out - expected).abs() < 1e-6, "{out} {expected}");
        }
        let quarter = blended(0.25, &base, [&tuned, &mine, &other]);
        // (0.75·1·1 + 0.25·3·3) / (0.75 + 0.75).
        assert!((quarter[0] - 2.0).abs() < 1e-6 && (quarter[3] - 1.5).abs() < 1e-6, "{quarter:?}");
    }

    #[test]
    fn ends_are_kept_to_the_last_bit() {
        let [base, tuned, mine, other] = [1, 2, 3, 4].map(|seed| Rng::new(seed).normals(200, 1.0));
        let models = [&tuned, &mine, &other].map(Vec::as_slice);
        assert_eq!(blended(0.0, &base, models), base);
        assert_eq!(blended(1.0, &base, models), tuned);
    }
}
