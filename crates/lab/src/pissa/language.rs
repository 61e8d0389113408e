//! Experiment B: a language model is fine-tuned by LoRA and by PiSSA with the same settings.

use super::{
    Arm, mean,
    spectra::{Spectra, spectra, value},
};
use crate::{
    Language, Result, Scale,
    language::{file_name, linear_modules, load},
};
use rankine_data::{Batches, Batching, Dataset, Encoding, Share, Tokenizer, encode, split};
use rankine_method::{
    Choice, attach,
    lora::Lora,
    pissa::{Decomposition, Pissa},
};
use rankine_nn::{LanguageModel, Parameter};
use rankine_random::Rng;
use rankine_train::{AdamW, Data, Event, NextToken, Plan, Schedule, Shape, run as train};
use std::{ops::ControlFlow, path::Path};

/// How it is fine-tuned; the same for both.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Settings {
    /// r, on every linear layer; α = r.
    pub rank: usize,
    /// Learning rate after a short warm-up; constant, so that the curves compare the starts alone.
    pub learning_rate: f32,
    /// Examples a step.
    pub batch: usize,
    /// Steps.
    pub steps: usize,
    /// Tokens of the longest example.
    pub max_length: usize,
    /// Examples held out, at most.
    pub held_out: usize,
    /// Power iterations of the randomised SVD; 16 in the paper's scripts.
    pub iterations: usize,
    /// Seed of data order, factors and split.
    pub seed: u64,
}

impl Settings {
    pub(super) fn of(scale: Scale) -> Self {
        let steps = match scale {
            Scale::Quick => 60,
            Scale::Full => 100,
        };
        Self {
            rank: 16,
            learning_rate: 2e-4,
            batch: 4,
            steps,
            max_length: 256,
            held_out: 32,
            iterations: 16,
            seed: 0,
        }
    }

    fn method(&self, arm: Arm) -> Choice {
        match arm {
            Arm::Pissa => Choice::Pissa(Pissa {
                rank: self.rank,
                svd: Decomposition::Randomized,
                iterations: self.iterations,
                ..Pissa::default()
            }),
            Arm::Full | Arm::Lora => Choice::Lora(Lora { rank: self.rank, ..Lora::default() }),
        }
    }

    fn plan(&self) -> Plan {
        let schedule = Schedule {
            learning_rate: self.learning_rate,
            warmup: (self.steps / 30).max(1),
            steps: self.steps,
            shape: Shape::Constant,
        };
        Plan::plain(schedule, self.seed)
    }
}

/// Both runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Tuning {
    pub model: String,
    pub data: String,
    pub settings: Settings,
    /// PiSSA, then LoRA.
    pub runs: Vec<Run>,
    pub spectra: Option<Spectra>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Run {
    pub arm: Arm,
    /// Numbers trained.
    pub trained: usize,
    /// Loss of every step.
    pub losses: Vec<f64>,
    /// Mean loss of the first third.
    pub early: f64,
    /// Mean loss of the last third.
    pub late: f64,
    /// Mean −ln p of held-out answer tokens at the end.
    pub held_out: Option<f64>,
}

impl Tuning {
    fn of(&self, arm: Arm) -> Option<&Run> {
        self.runs.iter().find(|run| run.arm == arm)
    }

    /// Something of the run by PiSSA and of that by LoRA; NaN where there is none.
    pub(super) fn both(&self, figure: impl Fn(&Run) -> Option<f64>) -> [f64; 2] {
        [Arm::Pissa, Arm::Lora].map(|arm| self.of(arm).and_then(&figure).unwrap_or(f64::NAN))
    }
}

pub(super) fn run(
    (language, data): (&Language<'_>, &Path),
    scale: Scale,
    watch: &mut dyn FnMut(&str),
) -> Result<Tuning> {
    let settings = Settings::of(scale);
    let mut tuning = Tuning {
        model: language.name.clone(),
        data: file_name(data),
        settings: settings.clone(),
        runs: Vec::new(),
        spectra: None,
    };
    for arm in [Arm::Pissa, Arm::Lora] {
        watch(&format!("{}: attaching {}", language.name, arm.name()));
        let (mut model, tokenizer) = load(language)?;
        let middle = middle_query(model.as_ref());
        let before = value(model.as_ref(), &middle)?;
        let modules = linear_modules(model.as_ref());
        let rng = Rng::new(settings.seed).fork("method");
        let trained =
            attach(model.as_mut(), settings.method(arm).method(), &modules, &rng, &mut |_, _| {})?.trained;
        if let (Arm::Pissa, Some(before)) = (arm, before) {
            tuning.spectra = spectra(model.as_ref(), &middle, &before)?;
        }
        let (train, held_out) = batches(data, &tokenizer, &settings)?;
        let (losses, held_out) = tune(model.as_mut(), (&train, &held_out), (&settings, arm), watch)?;
        let third = (losses.len() / 3).max(1).min(losses.len());
        let (early, late) = (mean(&losses[..third]), mean(&losses[losses.len() - third..]));
        tuning.runs.push(Run { arm, trained, losses, early, late, held_out });
    }
    Ok(tuning)
}

fn batches(data: &Path, tokenizer: &Tokenizer, settings: &Settings) -> Result<(Batches, Batches)> {
    let dataset = Dataset::read(data, None, None)?;
    let encoding = Encoding { max_length: settings.max_length, ..Encoding::default() };
    let (examples, _) = encode(&dataset, tokenizer, &encoding)?;
    let share = Share::Count((examples.len() / 10).min(settings.held_out));
    let (train, mut held_out) = split(examples, share, settings.seed)?;
    if held_out.is_empty() {
        held_out.extend(train.first().cloned());
    }
    let batches = |examples| Batches::new(examples, Batching::Examples(settings.batch), settings.seed);
    Ok((batches(train)?, batches(held_out)?))
}

fn tune(
    model: &mut (dyn LanguageModel + 'static),
    (train_data, held_out): (&Batches, &Batches),
    (settings, arm): (&Settings, Arm),
    watch: &mut dyn FnMut(&str),
) -> Result<(Vec<f64>, Option<f64>)> {
    let (mut losses, mut score) = (Vec::new(), None);
    let data = Data { train: train_data, validation: Some(held_out) };
    let mut optimizer = AdamW::default();
    train::<NextToken>(
        model,
        data,
        (&NextToken, &mut optimizer),
        &settings.plan(),
        None,
        &mut |event, _| {
            match event {
                Event::Step(step) => {
                    losses.push(step.loss);
                    watch(&format!(
                        "{}: step {} of {}, loss {:.3}",
                        arm.name(),
                        step.step,
                        settings.steps,
                        step.loss
                    ));
                }
                Event::Evaluated { score: found, .. } => score = Some(found.nll()),
                Event::Save(_) => {}
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok((losses, score))
}

/// Path of the query weight of the middle layer, which in GPT-2 holds key and value too; empty where there is none.
fn middle_query(model: &dyn LanguageModel) -> String {
    let is_query = |path: &&str| path.ends_with(".q_proj.weight") || path.ends_with(".c_attn.weight");
    let queries: Vec<&str> = model.parameters().into_iter().map(Parameter::path).filter(is_query).collect();
    queries.get(queries.len() / 2).map(|&path| path.to_owned()).unwrap_or_default()
}
