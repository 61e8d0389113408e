//! Sums of what models have learnt beyond a base: task arithmetic and those that leave entries out of it.
//!
//!     δᵢ = wᵢ − w₀, of which a sparsifier keeps some entries        w = w₀ + λ·Σ cᵢ·δᵢ / d
//!
//!     name              entries kept                      signs    d            made up for
//!     task_arithmetic   all                                        1            no
//!     ties              the largest                       elected  Σ cᵢ of those that agree, no
//!     dare_linear       by chance                                  1            yes
//!     dare_ties         by chance                         elected  1            yes
//!     breadcrumbs       all but the largest and smallest           1            no
//!     breadcrumbs_ties  all but the largest and smallest  elected  1            no
//!     della             by chance, larger more often      elected  Σ cᵢ of those that agree, yes
//!     della_linear      by chance, larger more often               1            yes
//!
//! Elected: of every entry those terms count whose sign is that of Σ cᵢ·δᵢ, where 0 is positive. `normalize` says whether d
//! divides (without an election it is Σ cᵢ), `rescale` whether what was left out is made up for: δᵢ gets its L1 norm back, as
//! mergekit does it, or with `rescale_by_density` of DARE the factor 1/density of its paper, which keeps the mean. A `density` of 0
//! keeps nothing of a model; its cᵢ counts in Σ cᵢ where signs are not elected.
//! `int8_mask` is accepted, and changes nothing here.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sparse::{Rescale, Sparsifier};
use crate::blend::sums::{combine, subtract};
use crate::blend::{Blend, Operands};

const GAMMA: Parameter = Parameter::each("gamma", Some(0.01), Range::Unit);
const EPSILON: Parameter = Parameter::each("epsilon", Some(0.15), Range::Unit);
const BY_DENSITY: Parameter = Parameter::flag("rescale_by_density", false);

/// Of every method its name, what it keeps, whether signs are elected, and its `normalize` and `rescale` when nothing is said.
macro_rules! family {
    ($($name:literal: $kept:ident, $elected:literal, $normalize:literal, $rescale:literal $(, $own:ident)?;)*) => {
        &[$(Card {
            name: $name,
            base: Base::Needed,
            models: [1, usize::MAX],
            parameters: &[
                Parameter::each("weight", None, Range::Finite),
                Parameter::each("density", Some(1.0), Range::Unit),
                Parameter::all("lambda", Some(1.0), Range::Finite),
                Parameter::flag("normalize", $normalize),
                Parameter::flag("rescale", $rescale),
                Parameter::flag("int8_mask", false),
                $($own)?
            ],
            skips_misshapen: true,
            make: |settings| task(settings, Kept::$kept, $elected),
        }),*]
    };
}

pub(super) static CARDS: &[Card] = family! {
    "task_arithmetic": All, false, false, false;
    "ties": Largest, true, true, false;
    "dare_linear": Chance, false, false, true, BY_DENSITY;
    "dare_ties": Chance, true, false, true, BY_DENSITY;
    "breadcrumbs": Middle, false, false, false, GAMMA;
    "breadcrumbs_ties": Middle, true, false, false, GAMMA;
    "della": ChanceBySize, true, true, true, EPSILON;
    "della_linear": ChanceBySize, false, false, true, EPSILON;
};

/// Which entries a method keeps.
#[derive(Clone, Copy)]
enum Kept {
    All,
    Largest,
    Chance,
    Middle,
    ChanceBySize,
}

struct Task {
    /// Weight and sparsifier of every model; `None` keeps all entries.
    terms: Vec<(f64, Option<Sparsifier>)>,
    elected: bool,
    normalize: bool,
    rescale: Rescale,
    lambda: f64,
}

fn task(settings: &Settings, kept: Kept, elected: bool) -> Result<Box<dyn Blend>, Wrong> {
    let density = settings.each("density");
    let of = |name: &str, at: usize| settings.each(name).get(at).copied().unwrap_or(0.0);
    let sparsifier = |at: usize, density: f64| {
        if 1.0 <= density {
            return Ok(None);
        }
        if density == 0.0 && !matches!(kept, Kept::All) {
            return Ok(Some(Sparsifier::Nothing));
        }
        let epsilon = of("epsilon", at);
        match kept {
            Kept::All => Ok(None),
            Kept::Largest => Ok(Some(Sparsifier::Largest { density })),
            Kept::Chance => Ok(Some(Sparsifier::Chance { density })),
            Kept::Middle => Ok(Some(Sparsifier::Middle { density, gamma: of("gamma", at) })),
            Kept::ChanceBySize if 0.0 < density - epsilon && density + epsilon < 1.0 => {
                Ok(Some(Sparsifier::ChanceBySize { density, epsilon }))
            }
            Kept::ChanceBySize => {
                let expected = "so small that `density` ± `epsilon` lies between 0 and 1";
                let found = format!("{epsilon}, with a density of {density}");
                Err(Wrong::Clash { one: "epsilon", expected, found })
            }
        }
    };
    let mut terms = Vec::with_capacity(density.len());
    for (at, (weight, density)) in settings.each("weight").into_iter().zip(density).enumerate() {
        terms.push((weight, sparsifier(at, density)?));
    }
    let rescale = match (settings.flag("rescale"), settings.flag("rescale_by_density")) {
        (false, _) => Rescale::Never,
        (true, false) => Rescale::Norm,
        (true, true) => Rescale::Density,
    };
    let (normalize, lambda) = (settings.flag("normalize"), settings.one("lambda"));
    Ok(Box::new(Task { terms, elected, normalize, rescale, lambda }))
}

impl Blend for Task {
    fn is_elementwise(&self) -> bool {
        self.terms.iter().all(|(_, sparsifier)| sparsifier.is_none())
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Operands { base, models, width, rng, .. } = operands;
        let is_whole = self.is_elementwise();
        if !is_whole {
            for (at, (model, (_, sparsifier))) in models.iter_mut().zip(&self.terms).enumerate() {
                subtract(base, model);
                if let Some(sparsifier) = sparsifier {
                    sparsifier.apply(model, width, self.rescale, rng.fork_index("model", at));
                }
            }
        }
        match self.elected {
            true => self.elect(base, models, is_whole, out),
            false => self.add(base, models, is_whole, out),
        }
        Ok(())
    }
}

impl Task {
    /// w₀ + Σ f·δ. Of whole models, which are not yet differences, that is (1 − Σ f)·w₀ + Σ f·w: a model with the factor 1 is
    /// itself, to the last bit.
    fn add(&self, base: &[f32], models: &[Vec<f32>], is_whole: bool, out: &mut [f32]) {
        let total: f64 = self.terms.iter().map(|(weight, _)| weight).sum();
        let divisor = if self.normalize && 1e-8 <= total.abs() { total } else { 1.0 };
        let factors: Vec<f64> = self.terms.iter().map(|(weight, _)| self.lambda * weight / divisor).collect();
        let rest = if is_whole { 1.0 - factors.iter().sum::<f64>() } else { 1.0 };
        let terms = factors.into_iter().zip(models.iter().map(Vec::as_slice));
        combine(&[(rest, base)].into_iter().chain(terms).collect::<Vec<_>>(), out);
    }

    /// Of every entry only those of the elected sign.
    fn elect(&self, base: &[f32], models: &[Vec<f32>], is_whole: bool, out: &mut [f32]) {
        for (n, (out, &base)) in out.iter_mut().zip(base).enumerate() {
            let origin = if is_whole { f64::from(base) } else { 0.0 };
            let term = |(model, (weight, _)): (&Vec<f32>, &(f64, Option<Sparsifier>))| {
                (*weight, weight * (f64::from(model[n]) - origin))
            };
            let terms = models.iter().zip(&self.terms).map(term);
            let sum: f64 = terms.clone().map(|(_, change)| change).sum();
            let agrees = |change: f64| change != 0.0 && (0.0 <= sum) == (0.0 < change);
            let agreeing = terms.filter(|(_, change)| agrees(*change));
            let (weights, mut change) = agreeing
                .fold((0.0, 0.0), |(weights, sum), (weight, change)| (weights + weight, sum + change));
            if self.normalize && weights != 0.0 {
                change /= weights;
            }
            *out = (f64::from(base) + self.lambda * change) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    #[test]
    fn signs_are_elected_by_weight_and_zero_is_positive() {
        // Columns: agreement, a majority against one, a tie, a zero, an election that weight decides, silence.
        let base = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let mut models = vec![
            vec![2.0, 3.0, 2.0, 1.0, 0.0, 1.0],
            vec![3.0, 0.0, 0.0, 3.0, 2.5, 1.0],
            vec![1.5, 0.5, 1.0, 0.0, 1.0, 1.0],
        ];
        let task = Task {
            terms: vec![(1.0, None), (1.0, None), (2.0, None)],
            elected: true,
            normalize: true,
            rescale: Rescale::Never,
            lambda: 1.0,
        };
        let mut out = [0.0; 6];
        let rng = Rng::new(0);
        let operands = Operands { tensor: "x", base: &base, models: &mut models, width: 6, rng };
        task.blend(operands, &mut out).unwrap();
        let expected = [
            1.0 + (1.0 + 2.0 + 2.0 * 0.5) / 4.0,
            // 2 − 1 − 1 = 0 counts as positive.
            1.0 + 2.0,
            1.0 + 1.0,
            // 0 + 2 − 2 = 0, so the positive one.
            1.0 + 2.0,
            // −1 + 1.5 + 0.
            1.0 + 1.5,
            1.0,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn one_whole_model_is_itself() {
        let (base, model) = (vec![1e4_f32, -3.0, 0.1], vec![1e-3_f32, -0.0, 0.7]);
        let task = Task {
            terms: vec![(1.0, None)],
            elected: false,
            normalize: false,
            rescale: Rescale::Never,
            lambda: 1.0,
        };
        let (mut models, mut out) = (vec![model.clone()], [0.0; 3]);
        let rng = Rng::new(0);
        let operands = Operands { tensor: "x", base: &base, models: &mut models, width: 3, rng };
        task.blend(operands, &mut out).unwrap();
        assert_eq!(out.map(f32::to_bits).as_slice(), model.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    }
}
