//! Model Stock: as far from the base to the mean of its fine-tunes as their agreement warrants.
//!
//!     δᵢ = wᵢ − w₀        cos θ = mean of ⟨δᵢ, δⱼ⟩ / (‖δᵢ‖·‖δⱼ‖), i < j        t = N·cos θ / (1 + (N − 1)·cos θ)
//!     w = w₀ + t·mean δᵢ
//!
//! Of a whole tensor, or row by row (`filter_wise`). Departure: where the denominator of t is 0 the fine-tunes say nothing, and
//! the base stays; mergekit divides.

use crate::blend::card::{Base, Card, Parameter};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::{combine, subtract};
use crate::blend::{Blend, Operands};
use rankine_kernels::reduce;

/// The least product of norms that is divided by.
const SMALLEST: f64 = 1e-6;

pub(super) static CARDS: &[Card] = &[Card {
    name: "model_stock",
    base: Base::Needed,
    models: [2, usize::MAX],
    parameters: &[Parameter::flag("filter_wise", false)],
    skips_misshapen: false,
    make,
}];

struct ModelStock {
    filter_wise: bool,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(ModelStock { filter_wise: settings.flag("filter_wise") }))
}

impl Blend for ModelStock {
    fn is_elementwise(&self) -> bool {
        false
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Operands { base, models, width, .. } = operands;
        models.iter_mut().for_each(|model| subtract(base, model));
        let step = if self.filter_wise { width } else { base.len() };
        for (at, out) in out.chunks_mut(step).enumerate() {
            let rows = at * step..at * step + out.len();
            let changes: Vec<&[f32]> = models.iter().map(|model| &model[rows.clone()]).collect();
            let factor = share(&changes) / changes.len() as f64;
            let terms = changes.into_iter().map(|change| (factor, change));
            combine(&[(1.0, &base[rows.clone()])].into_iter().chain(terms).collect::<Vec<_>>(), out);
        }
        Ok(())
    }
}

/// t.
fn share(changes: &[&[f32]]) -> f64 {
    let norms: Vec<f64> = changes.iter().map(|change| reduce::sum_of_squares(change).sqrt()).collect();
    let (mut cosines, mut pairs) = (0.0, 0.0);
    for (i, (x, norm)) in changes.iter().zip(&norms).enumerate() {
        for (y, other) in changes.iter().zip(&norms).skip(i + 1) {
            cosines += (reduce::dot(x, y) / (norm * other).max(SMALLEST)).clamp(-1.0, 1.0);
            pairs += 1.0;
        }
    }
    let (count, cosine) = (changes.len() as f64, cosines / f64::max(pairs, 1.0));
    let denominator = 1.0 + (count - 1.0) * cosine;
    if denominator.abs() < 1e-12 { 0.0 } else { count * cosine / denominator }
}
