//! From a recipe to a finished folder.

use crate::{
    Error, Metrics, Recipe, Result,
    folder::Folder,
    init::{Ready, ready},
    loading::tokenizer,
    metrics::Line,
    page::page,
    residual,
};
use rankine_checkpoint::{Adapter, Checkpoint};
use rankine_data::{Batches, Batching, Dataset, Encoding, Summary, encode, split};
use rankine_method::{Base, export, train_whole};
use rankine_nn::{LanguageModel, models::Llama};
use rankine_train::{AdamW, Best, Data, Ending, Event, NextToken, Plan, Score, Step};
use sha2::{Digest as _, Sha256};
use std::{ops::ControlFlow, path::Path, time::Instant};

/// Where a run's input lies.
pub struct Source<'a> {
    /// The model's folder or `.gguf` file.
    pub model: &'a Path,
    /// Go on with what the folder holds.
    pub resume: bool,
    /// Replace what the folder holds.
    pub force: bool,
}

/// What a run tells its watcher, who answers whether to go on.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The data were read.
    Data(&'a Summary, usize, usize),
    /// The method took over so many of so many weights.
    Attaching(usize, usize),
    /// The model is ready: weights taken over, numbers trained, numbers in all.
    Ready {
        /// Weights taken over.
        weights: usize,
        /// Numbers trained.
        trained: usize,
        /// Numbers in all.
        all: usize,
        /// Steps to do.
        steps: usize,
        /// Steps already done.
        done: usize,
    },
    /// A step was made, in so many seconds.
    Step(Step, f64),
    /// The model was scored.
    Evaluated(usize, &'a Score, bool),
    /// A state was saved.
    Saved(usize),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How.
    pub ending: Ending,
    /// Steps that were made.
    pub steps: usize,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Training loss of the first and the last step.
    pub losses: Option<(f64, f64)>,
}

type Watch<'a> = &'a mut dyn FnMut(Notice<'_>) -> ControlFlow<()>;

/// Fine-tunes a model as the recipe says, into `output`.
pub fn fine_tune(recipe: &Recipe, source: Source<'_>, output: &Path, watch: Watch<'_>) -> Result<Outcome> {
    let folder = Folder::check(output, recipe, source.resume, source.force)?;
    let checkpoint = Checkpoint::open(source.model)?;
    let (train, validation, summary) = batches(recipe, &checkpoint)?;
    let held_out = validation.as_ref().map_or(0, |batches| batches.examples().len());
    let _ = watch(Notice::Data(&summary, train.examples().len(), held_out));
    let plan = recipe.plan(train.steps_per_epoch())?;
    let taken = (&recipe.method, &recipe.targets);
    let Ready { mut model, attached, numbers: all } =
        ready(&checkpoint, taken, recipe.weights, recipe.seed, &mut |done, total| {
            let _ = watch(Notice::Attaching(done, total));
        })?;
    let whole = train_whole(&mut model, &recipe.targets.whole)?;
    if recipe.keep_residual {
        residual::require(&model)?;
    }
    folder.open(recipe, &checksum(&train, validation.as_ref()), source.resume)?;
    if recipe.keep_residual {
        let place = folder.path().join(residual::FOLDER);
        residual::write(&model, &checkpoint, &place, &mut |_| ControlFlow::Continue(()))?;
    }
    let state = if source.resume { Some(folder.state()?) } else { None };
    let done = state.as_ref().map_or(0, |state| state.step);
    let (weights, trained) = (attached.sites.len(), attached.trained + whole);
    let _ = watch(Notice::Ready { weights, trained, all, steps: plan.schedule.steps, done });
    let metrics = Metrics::open(folder.path(), done)?;
    let mut recorder = Recorder {
        recipe,
        folder,
        metrics,
        watch,
        error: None,
        best: None,
        steps: done,
        started: Instant::now(),
    };
    let data = Data { train: &train, validation: validation.as_ref() };
    let mut optimizer = AdamW::new(recipe.train.beta1, recipe.train.beta2, recipe.train.weight_decay);
    let ended = recorder.train(&mut model, data, &mut optimizer, &plan, state.as_ref())?;
    recorder.finish(&model, &summary, ended)
}

fn batches(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<(Batches, Option<Batches>, Summary)> {
    let section = &recipe.data;
    let dataset = Dataset::read(&section.path, section.format, section.columns()?)?;
    let max_length = section.max_length.min(checkpoint.config().context);
    let encoding = Encoding { max_length, train_on_prompt: section.train_on_prompt, ..Encoding::default() };
    let (examples, summary) = encode(&dataset, &tokenizer(checkpoint)?, &encoding)?;
    let (train, validation) = split(examples, section.share(), recipe.seed)?;
    let batching = match recipe.train.batch_tokens {
        Some(tokens) => Batching::Tokens(tokens),
        None => Batching::Examples(recipe.train.batch_size),
    };
    let train = Batches::new(train, batching, recipe.seed)?;
    let validation = match validation.is_empty() {
        true => None,
        false => Some(Batches::new(validation, batching, recipe.seed)?),
    };
    Ok((train, validation, summary))
}

/// SHA-256 over tokens and answers of all examples, those to learn from first.
fn checksum(train: &Batches, validation: Option<&Batches>) -> String {
    let mut hash = Sha256::new();
    for example in [Some(train), validation].into_iter().flatten().flat_map(Batches::examples) {
        hash.update((example.tokens.len() as u64).to_le_bytes());
        example.tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        example.answers.iter().for_each(|&answer| hash.update([u8::from(answer)]));
    }
    let bytes: [u8; 32] = hash.finalize().into();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes down what happens.
struct Recorder<'a, 'w> {
    recipe: &'a Recipe,
    folder: Folder,
    metrics: Metrics,
    watch: Watch<'w>,
    error: Option<Error>,
    best: Option<Best>,
    steps: usize,
    started: Instant,
}

impl Recorder<'_, '_> {
    fn train(
        &mut self,
        model: &mut Llama,
        data: Data<'_>,
        optimizer: &mut AdamW,
        plan: &Plan,
        state: Option<&rankine_train::State>,
    ) -> Result<Ending> {
        self.best = state.and_then(|state| state.best);
        self.started = Instant::now();
        let slots: (&dyn rankine_train::Objective, &mut dyn rankine_train::Optimizer) =
            (&NextToken, optimizer);
        let ended = rankine_train::run(model, data, slots, plan, state, &mut |event, model| {
            if self.error.is_some() {
                return ControlFlow::Break(());
            }
            self.record(event, model).unwrap_or_else(|error| {
                self.error = Some(error);
                ControlFlow::Break(())
            })
        });
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        ended
            .map_err(|source| Error::Stopped { source: Box::new(source), last_good: self.folder.last_good() })
    }

    fn record(&mut self, event: &Event<'_>, model: &dyn LanguageModel) -> Result<ControlFlow<()>> {
        match *event {
            Event::Step(step) => {
                let seconds = self.started.elapsed().as_secs_f64();
                self.started = Instant::now();
                self.steps = step.step;
                let Step { step: number, loss, gradient_norm, learning_rate, tokens } = step;
                self.metrics.add(Line::Step {
                    step: number,
                    loss,
                    learning_rate,
                    gradient_norm,
                    tokens,
                    seconds,
                })?;
                Ok((self.watch)(Notice::Step(step, seconds)))
            }
            Event::Evaluated { step, score, best } => {
                let Score { nll, accuracy, tokens, .. } = *score;
                self.metrics.add(Line::Evaluation { step, nll, accuracy, tokens })?;
                if best {
                    self.best = Some(Best { step, nll });
                    self.folder.write_best(&self.adapter(model)?)?;
                }
                let flow = (self.watch)(Notice::Evaluated(step, score, best));
                self.started = Instant::now();
                Ok(flow)
            }
            Event::Save(state) => {
                self.folder.write_state(state)?;
                self.folder.write_adapter(&self.adapter(model)?)?;
                let flow = (self.watch)(Notice::Saved(state.step));
                self.started = Instant::now();
                Ok(flow)
            }
        }
    }

    fn adapter(&self, model: &dyn LanguageModel) -> Result<Adapter> {
        let residual = || self.folder.path().join(residual::FOLDER).display().to_string();
        Ok(match self.recipe.keep_residual {
            true => export(model, Base::Residual, Some(residual()))?,
            false => export(model, Base::Original, Some(self.recipe.model.clone()))?,
        })
    }

    fn finish(mut self, model: &Llama, summary: &Summary, ending: Ending) -> Result<Outcome> {
        let adapter = self.adapter(model)?;
        let report = page(self.recipe, summary, &self.metrics, &adapter)?;
        self.folder.write("report.html", report.html().as_bytes())?;
        let first = self.metrics.losses().next();
        let last = self.metrics.losses().last();
        let losses = first.zip(last).map(|(first, last)| (first.1, last.1));
        Ok(Outcome { ending, steps: self.steps, best: self.best.take(), losses })
    }
}
