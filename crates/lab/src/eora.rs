//! [eora]: corrections of low rank that look at what layers see make up for more of a compression than others do.
//!
//! A language model is compressed: two of every four weights are pruned, the rest is rounded to three bits, and both. Every linear
//! layer then gets a correction of low rank, nearest in Frobenius's norm (SVD), in that of columns weighed by their inputs
//! (activation), or in that of the inputs' second moment (EoRA). Shows: of corrections of equal rank EoRA's leave the lowest loss,
//! then activation, then SVD, and all are better than none.
//!
//! On a tiny model that is trained here on a random grammar; on a language model, where one is given with texts, of which the first
//! half shows the inputs and the last ones are scored.
//!
//! Departures: inputs are those of the model as it was, and weights are pruned by Wanda and rounded to nearest, where the paper uses
//! SparseGPT and GPTQ. Of a given model every second block is compressed, so that a run ends in minutes.

mod case;
mod layer;
mod page;
mod seen;

use crate::{Claim, Experiment, Materials, Result, Scale};
use case::Plan;

/// Loss of compressed models with corrections of several kinds and ranks.
#[derive(Clone, Copy, Debug, Default)]
pub struct EoraExperiment;

impl Experiment for EoraExperiment {
    fn paper(&self) -> &'static str {
        "eora"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let mut measured = vec![case::tiny(&Plan::of(scale), watch)?];
        let language = materials.language.as_ref();
        if let Some((language, data)) = language.and_then(|given| Some((given, given.data.as_deref()?))) {
            measured.push(case::given((language, data), scale, watch)?);
        }
        Ok(page::claim(&measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_bring_a_compressed_model_back() {
        let quick = Plan::of(Scale::Quick);
        let tiny = crate::language::Tiny { hidden: 48, steps: 300, ..quick.tiny };
        let plan = Plan { tiny, held_out: 96, ranks: vec![4, 8, 16], ..quick };
        let measured = case::tiny(&plan, &mut |_| {}).unwrap();
        assert_eq!((measured.compressed.len(), measured.layers), (3, 14));
        for compressed in &measured.compressed {
            let [svd, activation, eora] = compressed.curves.as_slice() else { panic!("{compressed:?}") };
            for other in [svd, activation] {
                assert!(other.mean() < compressed.none && eora.mean() < other.mean(), "{compressed:?}");
            }
            assert!(
                measured.whole < compressed.none && eora.nll.is_sorted_by(|a, b| a > b),
                "{compressed:?}"
            );
        }
        let claim = page::claim(&[measured]);
        let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
        assert!(html.contains("<svg") && words.contains("EoRA") && !words.contains("NaN"), "{words}");
        assert_eq!(claim.numbers["holds"], claim.holds);
        assert_eq!(claim.numbers["findings"].as_array().unwrap().len(), 9);
    }
}
