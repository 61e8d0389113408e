//! What is tuned: a tiny model that is trained here, or one that a user gives.

use super::{
    arms::Setting,
    runs::{Run, Subject},
};
use crate::{
    Language, Result, Scale,
    language::{self, Grammar, Tiny},
};
use rankine_data::{Batches, Batching, Example};
use rankine_nn::{
    LanguageModel,
    generate::{Request, Sampling, generate},
};
use rankine_random::Rng;
use std::path::Path;

/// Everything that was measured of one model.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Study {
    /// What the model is called.
    pub name: String,
    /// What it learns, and what it knew before.
    pub about: String,
    pub setting: Setting,
    /// Matrices that are trained.
    pub matrices: usize,
    /// Seeds, in them arms.
    pub runs: Vec<Run>,
}

impl Study {
    /// Mean over the seeds of something of the runs with a label; NaN where there is none.
    pub fn mean(&self, label: &str, figure: impl Fn(&Run) -> f64) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for run in self.runs.iter().filter(|run| run.label == label) {
            sum += figure(run);
            count += 1;
        }
        sum / f64::from(count)
    }

    /// Labels of the arms, in their order.
    pub fn labels(&self) -> Vec<&str> {
        let first = self.runs.first().map(|run| run.seed);
        self.runs.iter().filter(|run| Some(run.seed) == first).map(|run| run.label.as_str()).collect()
    }
}

/// What is tried on tiny models.
pub(super) struct Plan {
    pub tiny: Tiny,
    /// Texts to learn from, of either grammar.
    pub texts: usize,
    /// Texts that losses are measured on.
    pub held_out: usize,
    /// Pairs of tokens that the second grammar continues in another way.
    pub changed: usize,
    pub ranks: Vec<usize>,
    pub full_rates: Vec<f32>,
    pub factors: Vec<f64>,
    pub seeds: u64,
}

/// λ of peft, and one that takes more.
const FACTORS: [f64; 2] = [0.75, 0.5];

/// All λ: those of the paper, and nothing left.
const ALL_FACTORS: [f64; 6] = [0.9, 0.75, 0.5, 0.3, 0.1, 0.0];

impl Plan {
    pub fn of(scale: Scale) -> Self {
        let (ranks, full_rates, factors, seeds) = match scale {
            Scale::Quick => (vec![1, 4, 16], vec![3e-4], FACTORS.to_vec(), 1),
            Scale::Full => (vec![1, 2, 4, 8, 16, 32], vec![3e-4, 1e-4], ALL_FACTORS.to_vec(), 3),
        };
        let tiny = Tiny { hidden: 64, spread: 0.0, steps: 300 };
        Self { tiny, texts: 2000, held_out: 128, changed: 48, ranks, full_rates, factors, seeds }
    }
}

/// Texts of a step.
const TEXTS: usize = 16;

pub(super) fn tiny(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Study> {
    let setting = Setting {
        full_rates: plan.full_rates.clone(),
        ranks: plan.ranks.clone(),
        lora_rate: 1e-2,
        steps: 60,
        factors: plan.factors.clone(),
    };
    let (mut runs, mut matrices) = (Vec::new(), 0);
    for seed in 0..plan.seeds {
        let rng = Rng::new(seed).fork("grammar");
        let first = Grammar::new(&rng.fork("first"));
        let second = first.changed(plan.changed, &rng.fork("second"));
        let texts = |grammar: &Grammar, count, name| {
            Batches::new(grammar.texts(count, &rng.fork(name)), Batching::Examples(TEXTS), seed)
        };
        watch(&format!("seed {seed}: the first task"));
        let base = plan.tiny.trained(&texts(&first, plan.texts, "base")?, seed)?;
        let load = || base.load();
        let subject = Subject {
            modules: language::linear_modules(load()?.as_ref()),
            load: &load,
            train: texts(&second, plan.texts, "tuning")?,
            tuned: texts(&second, plan.held_out, "tuned")?,
            base: texts(&first, plan.held_out, "known")?,
        };
        matrices = subject.modules.len();
        runs.extend(subject.runs(&setting, seed, watch)?);
    }
    let about = format!(
        "A model of two blocks of width {} learns texts of a random grammar ({} steps), then those of another one, which continues \
         {} of {} pairs of tokens in another way. All linear layers are trained; seeds: {}.",
        plan.tiny.hidden,
        plan.tiny.steps,
        plan.changed,
        Grammar::PAIRS,
        plan.seeds,
    );
    Ok(Study { name: "a tiny model".to_owned(), about, setting, matrices, runs })
}

/// Tokens of a text that a given model reads.
const LENGTH: usize = 64;

/// Texts of a step of a given model, and those that losses are measured on.
const FEW: [usize; 2] = [4, 8];

pub(super) fn given(
    language: &Language<'_>,
    data: &Path,
    scale: Scale,
    watch: &mut dyn FnMut(&str),
) -> Result<Study> {
    let (ranks, steps) = match scale {
        Scale::Quick => (vec![1, 16], 12),
        Scale::Full => (vec![1, 4, 16], 20),
    };
    let factors = FACTORS.to_vec();
    let setting = Setting { full_rates: vec![3e-4], ranks, lora_rate: 2e-2, steps, factors };
    let [together, held_out] = FEW;
    let texts = |examples| Batches::new(examples, Batching::Examples(together), 0);
    watch(&format!("{}: texts of its own", language.name));
    let (model, tokenizer) = language::load(language)?;
    let known = own_texts(model.as_ref(), held_out)?;
    let mut train = language::examples(data, &tokenizer, LENGTH)?;
    // Of a short file half is left to learn from.
    let tuned = train.split_off(train.len() - held_out.min(train.len() / 2));
    let modules = query_value(model.as_ref());
    drop(model);
    let matrices = modules.len();
    let load = || language::load(language).map(|(model, _)| model);
    let subject =
        Subject { load: &load, modules, train: texts(train)?, tuned: texts(tuned)?, base: texts(known)? };
    let about = format!(
        "{} learns `{}` by its query and value maps, {together} texts of at most {LENGTH} tokens a step. What it knew before is \
         measured on {held_out} texts of {LENGTH} tokens that it wrote itself, drawn from what it predicts.",
        language.name,
        language::file_name(data),
    );
    let runs = subject.runs(&setting, 0, &mut |line| watch(&format!("{}, {line}", language.name)))?;
    Ok(Study { name: language.name.clone(), about, setting, matrices, runs })
}

/// Query and value maps; in GPT-2 they are one matrix with the keys.
fn query_value(model: &dyn LanguageModel) -> Vec<String> {
    let mut modules = language::linear_modules(model);
    modules.retain(|module| ["q_proj", "v_proj", "c_attn"].iter().any(|name| module.ends_with(name)));
    modules
}

/// What a model says by itself: what it was trained on, as far as it remembers.
fn own_texts(model: &dyn LanguageModel, count: usize) -> Result<Vec<Example>> {
    let start = model.config().bos.unwrap_or_default();
    let mut texts = Vec::with_capacity(count);
    for source in 1..=count {
        let sampling = Sampling { temperature: 1.0, seed: source as u64, ..Sampling::default() };
        let request = Request { prompt: &[start], limit: LENGTH - 1, stops: &[], sampling: &sampling };
        let mut tokens = vec![start];
        generate(model, &request, &mut |token| {
            tokens.push(token);
            true
        })?;
        texts.push(Example { answers: vec![true; tokens.len()], tokens, source });
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::testing::with_given;

    #[test]
    fn a_model_that_is_given_is_tuned_on_its_texts() {
        with_given(|language, data| {
            let study = given(language, data, Scale::Quick, &mut |_| {}).unwrap();
            assert_eq!((study.labels(), study.matrices), (vec!["full", "LoRA r=1", "LoRA r=16"], 4));
            let [full, low, _] = study.runs.as_slice() else { panic!("{} runs", study.runs.len()) };
            assert!(full.steps == 12 && full.after.tuned < full.before.tuned, "{full:?}");
            assert!(
                full.before == low.before && low.relative > 0.0 && study.mean("none", Run::forgot).is_nan()
            );
        });
    }
}
