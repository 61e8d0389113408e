//! [intruder]: LoRA gives weights directions that their base knew nothing of, and these are what forgets.
//!
//! A model that knows one task learns another: by full fine-tuning, and by LoRA of several ranks to the same training loss, with
//! the paper's learning rates (α = 2r, and α·η the same for all ranks). Shows: LoRA of low rank has intruder dimensions where full
//! fine-tuning has fewer, and LoRA of high rank has fewer than of low; LoRA of low rank forgets more of the first task; its
//! intruders scaled back bring some of that back at little cost, and their neighbours scaled alike do not.
//!
//! A tiny model with two random grammars, of which the second differs from the first in some contexts. A language model, where one
//! is given with texts, learns these by its query and value maps; what it knew before is measured on texts that it wrote itself.
//!
//! Departure: the paper tunes RoBERTa and LLaMA-2, and measures forgetting on texts of the pretraining.

mod arms;
mod chosen;
mod page;
mod runs;
mod study;

use crate::{Claim, Experiment, Materials, Result, Scale};

/// Intruder dimensions of full fine-tuning and of LoRA, and what they forget.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntruderDimensionsExperiment;

impl Experiment for IntruderDimensionsExperiment {
    fn paper(&self) -> &'static str {
        "intruder"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let mut studies = vec![study::tiny(&study::Plan::of(scale), watch)?];
        let language = materials.language.as_ref();
        if let Some((language, data)) = language.and_then(|given| Some((given, given.data.as_deref()?))) {
            studies.push(study::given(language, data, scale, watch)?);
        }
        Ok(page::claim(&studies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use study::Plan;

    #[test]
    fn low_ranks_intrude_and_what_they_forgot_comes_back() {
        let quick = Plan::of(Scale::Quick);
        let plan = Plan { held_out: 48, ranks: vec![1, 16], ..quick };
        let claim = page::claim(&[study::tiny(&plan, &mut |_| {}).unwrap()]);
        let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
        assert!(html.contains("<svg") && words.contains("LoRA r=16") && !words.contains("NaN"), "{words}");
        assert!(claim.holds, "{}", claim.numbers["findings"]);
        let runs = claim.numbers["studies"][0]["runs"].as_array().unwrap();
        let labels: Vec<&str> = runs.iter().map(|run| run["label"].as_str().unwrap()).collect();
        assert_eq!(labels, ["full", "LoRA r=1", "LoRA r=16"]);
        // A change of rank 1 makes one intruder a matrix at most, and its entropy is 0.
        let low = &runs[1];
        assert!((low["effective_rank"].as_f64().unwrap() - 1.0).abs() < 1e-2, "{low}");
        let counts: Vec<u64> =
            low["intruders"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert!(counts.is_sorted() && counts[0] <= 14, "{counts:?}");
    }
}
