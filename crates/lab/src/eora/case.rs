//! A model that is compressed and corrected, and its loss.

use super::{
    layer::{Layer, Smaller},
    seen::Inputs,
};
use crate::{
    Language, Result, Scale,
    language::{self, Grammar, Held, Tiny, nll},
    transfer::mean,
};
use rankine_checkpoint::layer_and_role;
use rankine_data::{Batches, Batching};
use rankine_linalg::Pair;
use rankine_nn::LanguageModel;
use rankine_random::Rng;
use rankine_surgery::{Correction, Site};
use rayon::prelude::*;
use std::path::Path;

/// Corrections with their names, the one that should be best last.
const WAYS: [(&str, Correction); 3] =
    [("SVD", Correction::Svd), ("activation", Correction::Activation), ("EoRA", Correction::Eora)];

/// What is tried on a tiny model.
pub(super) struct Plan {
    pub tiny: Tiny,
    /// Texts to learn from.
    pub texts: usize,
    /// Texts that show the inputs of the layers.
    pub calibration: usize,
    /// Texts that losses are measured on.
    pub held_out: usize,
    /// Ascending.
    pub ranks: Vec<usize>,
}

impl Plan {
    pub fn of(scale: Scale) -> Self {
        let (held_out, ranks) = match scale {
            Scale::Quick => (128, vec![4, 8, 16]),
            Scale::Full => (512, vec![2, 4, 8, 16, 32]),
        };
        let tiny = Tiny { hidden: 64, spread: 1.0, steps: 400 };
        Self { tiny, texts: 2000, calibration: 64, held_out, ranks }
    }
}

/// A model with texts.
struct Case {
    model: Box<dyn LanguageModel>,
    /// Those that are compressed.
    modules: Vec<String>,
    calibration: Batches,
    held_out: Batches,
}

/// Everything that was measured of one model; losses are mean −ln p of held-out tokens.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Measured {
    pub name: String,
    /// What it is, and what it reads.
    pub about: String,
    /// How many are compressed.
    pub layers: usize,
    pub ranks: Vec<usize>,
    /// Of the model as it was.
    pub whole: f64,
    pub compressed: Vec<Compressed>,
}

/// One compression.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Compressed {
    pub smaller: Smaller,
    /// Without a correction.
    pub none: f64,
    /// SVD, activation, EoRA.
    pub curves: Vec<Curve>,
}

/// One way of correcting.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Curve {
    pub way: &'static str,
    /// One for every rank.
    pub nll: Vec<f64>,
}

impl Curve {
    /// Over the ranks.
    pub fn mean(&self) -> f64 {
        mean(&self.nll)
    }
}

/// Texts that are read at a time.
const TOGETHER: usize = 16;

pub(super) fn tiny(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Measured> {
    let rng = Rng::new(0).fork("grammar");
    let grammar = Grammar::new(&rng);
    let texts =
        |count, name| Batches::new(grammar.texts(count, &rng.fork(name)), Batching::Examples(TOGETHER), 0);
    watch("a tiny model: training");
    let model = plan.tiny.trained(&texts(plan.texts, "train")?, 0)?.load()?;
    let case = Case {
        modules: language::linear_modules(model.as_ref()),
        model,
        calibration: texts(plan.calibration, "calibration")?,
        held_out: texts(plan.held_out, "held out")?,
    };
    let about = format!(
        "A model of two blocks of width {} was trained on texts of a random grammar for {} steps. All its linear layers are \
         compressed; {} other texts show their inputs, {} are scored.",
        plan.tiny.hidden, plan.tiny.steps, plan.calibration, plan.held_out,
    );
    case.measured(("a tiny model", about), (&Smaller::ALL, &plan.ranks), watch)
}

/// Tokens of a text that a given model reads.
const LENGTH: usize = 256;

/// Texts of a given model, at most: those that show the inputs, and those that are scored.
const FEW: [usize; 2] = [64, 8];

pub(super) fn given(
    (language, data): (&Language<'_>, &Path),
    scale: Scale,
    watch: &mut dyn FnMut(&str),
) -> Result<Measured> {
    let (all, ranks): (&[Smaller], &[usize]) = match scale {
        Scale::Quick => (&[Smaller::Both], &[32]),
        Scale::Full => (&Smaller::ALL, &[8, 32, 128]),
    };
    let (model, tokenizer) = language::load(language)?;
    let mut shown = language::examples(data, &tokenizer, LENGTH)?;
    let [most, last] = FEW;
    // Of a short file half shows the inputs.
    let scored = shown.split_off(shown.len() - last.min(shown.len() / 2));
    shown.truncate(most.min(shown.len().div_ceil(2)));
    let about = format!(
        "Every second block of {} is compressed; {} texts of `{}` of at most {LENGTH} tokens show the inputs, {} others from its \
         end are scored.",
        language.name,
        shown.len(),
        language::file_name(data),
        scored.len(),
    );
    let texts = |examples| Batches::new(examples, Batching::Examples(FEW[1]), 0);
    let modules = every_second(language::linear_modules(model.as_ref()));
    let case = Case { model, modules, calibration: texts(shown)?, held_out: texts(scored)? };
    let mut watch = |line: &str| watch(&format!("{}: {line}", language.name));
    case.measured((&language.name, about), (all, ranks), &mut watch)
}

/// The modules of every second layer.
fn every_second(mut modules: Vec<String>) -> Vec<String> {
    let mut layers: Vec<String> = modules.iter().map(|module| layer_and_role(module).0.to_owned()).collect();
    layers.dedup();
    let kept: Vec<&String> = layers.iter().step_by(2).collect();
    modules.retain(|module| kept.iter().any(|layer| *layer == layer_and_role(module).0));
    modules
}

impl Case {
    fn measured(
        mut self,
        (name, about): (&str, String),
        (all, ranks): (&[Smaller], &[usize]),
        watch: &mut dyn FnMut(&str),
    ) -> Result<Measured> {
        watch("the model as it was");
        let weights = Held::of_linear(self.model.as_ref(), &self.modules)?;
        let whole = nll(self.model.as_ref(), &self.held_out)?;
        watch("what its layers see");
        let seen = Inputs::of(self.model.as_mut(), &self.modules, &self.calibration)?;
        let sites = self.modules.iter().filter_map(|module| Site::new(&weights, module));
        let sites: Vec<Site<'_>> = sites.map(|site| site.with(Some(&seen))).collect();
        let mut compressed = Vec::with_capacity(all.len());
        for &smaller in all {
            compressed.push(self.compressed(&sites, smaller, ranks, watch)?);
        }
        let (name, ranks, layers) = (name.to_owned(), ranks.to_vec(), sites.len());
        Ok(Measured { name, about, layers, ranks, whole, compressed })
    }

    fn compressed(
        &mut self,
        sites: &[Site<'_>],
        smaller: Smaller,
        ranks: &[usize],
        watch: &mut dyn FnMut(&str),
    ) -> Result<Compressed> {
        watch(&format!("{}: compressing", smaller.name()));
        let layers = sites.par_iter().with_max_len(1).map(|site| Layer::new(site, smaller));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let none = self.with(&layers, |_, layer| Ok(layer.small.clone()))?;
        let most = ranks.iter().max().copied().unwrap_or_default();
        let mut curves = Vec::with_capacity(WAYS.len());
        for (way, correction) in WAYS {
            watch(&format!("{}: {way}", smaller.name()));
            let pairs = layers.par_iter().with_max_len(1).map(|layer| layer.pair(correction, most));
            let pairs: Vec<Pair> = pairs.collect::<Result<_>>()?;
            let nll = ranks
                .iter()
                .map(|&rank| self.with(&layers, |at, layer: &Layer<'_>| layer.corrected(&pairs[at], rank)));
            curves.push(Curve { way, nll: nll.collect::<Result<_>>()? });
        }
        Ok(Compressed { smaller, none, curves })
    }

    /// The loss with other matrices in the place of the model's own.
    fn with(
        &mut self,
        layers: &[Layer<'_>],
        matrix: impl Fn(usize, &Layer<'_>) -> Result<Vec<f32>>,
    ) -> Result<f64> {
        let mut held = Held::default();
        for (at, layer) in layers.iter().enumerate() {
            let values = layer.site.stored(matrix(at, layer)?);
            held.insert(&format!("{}.weight", layer.site.module()), &layer.site.sides(), values);
        }
        held.put_into(self.model.as_mut())?;
        nll(self.model.as_ref(), &self.held_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::testing::with_given;

    #[test]
    fn a_model_that_is_given_is_compressed_in_every_second_block() {
        with_given(|language, data| {
            let measured = given((language, data), Scale::Quick, &mut |_| {}).unwrap();
            let [both] = measured.compressed.as_slice() else { panic!("{measured:?}") };
            assert_eq!((measured.layers, both.smaller, both.curves.len()), (7, Smaller::Both, 3));
            // No matrix is wider than the rank: all of it comes back.
            assert!((both.none - measured.whole).abs() > 1e-3, "{measured:?}");
            assert!(
                both.curves.iter().all(|curve| (curve.nll[0] - measured.whole).abs() < 1e-3),
                "{measured:?}"
            );
        });
    }

    #[test]
    fn every_second_layer_is_kept() {
        let names = ["layers.0.up", "layers.0.down", "layers.1.up", "layers.2.up"].map(str::to_owned);
        assert_eq!(every_second(names.to_vec()), ["layers.0.up", "layers.0.down", "layers.2.up"]);
        assert!(every_second(Vec::new()).is_empty());
    }
}
