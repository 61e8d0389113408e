//! From a recipe to a finished folder.

use crate::{
    Error, Metrics, Recipe, Result, TargetSection, TaskName,
    classify::{self, CLASSES},
    folder::{Folder, Reached},
    images,
    init::{Ready, ready},
    kind::{ModelFiles, Runnable},
    language,
    metrics::Line,
    page::{Described, page},
    residual,
    search::{self, Found, Search},
    targeted, thin,
};
use rankine_checkpoint::{Adapter, Checkpoint, ImageCheckpoint};
use rankine_data::{Batches, Batching, LabelSummary, Sample, Summary, images::ImageSummary};
use rankine_method::{Base, Cut, check_base, diffora::Candidate, export, train_whole};
use rankine_nn::Model;
use rankine_surgery::{Stage, check_apart};
use rankine_train::{Best, Data, Ending, Event, Measured, Plan, State, Step, Task};
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
    /// Labelled texts were read: how many are to be learnt, and how many held out.
    Labelled(&'a LabelSummary, usize, usize),
    /// The same of labelled images.
    Images(&'a ImageSummary, usize, usize),
    /// So many of at most so many batches were shown for the calibration.
    Calibrating(usize, usize),
    /// The directions of so many weights had not converged when the calibration ended.
    Unsettled(usize),
    /// Weights get less than the rank that was asked for, as is allowed.
    Capped(&'a Cut),
    /// The method took over so many of so many weights.
    Attaching(usize, usize),
    /// So many of so many steps of a search for modules were made.
    Searching(usize, usize),
    /// Modules were picked; those that were not are in the list too.
    Picked(&'a [Candidate]),
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
    Evaluated(usize, &'a dyn Measured, bool),
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
    /// Steps of its search for modules, where it was stopped in it: there is no adapter yet.
    pub searched: Option<usize>,
    /// Training loss of the first and the last step.
    pub losses: Option<(f64, f64)>,
    /// What the model was trained for.
    pub task: TaskName,
}

impl Outcome {
    /// Of a run that was stopped after so many steps of its search.
    fn searching(steps: usize, task: TaskName) -> Self {
        Self { ending: Ending::Interrupted, steps: 0, best: None, searched: Some(steps), losses: None, task }
    }
}

pub(crate) type Watch<'a> = &'a mut dyn FnMut(Notice<'_>) -> ControlFlow<()>;

/// Fine-tunes a model as the recipe says, into `output`, which is not the model and does not lie inside it. What recipe and
/// shapes tell is looked at before the data are read.
pub fn fine_tune(recipe: &Recipe, source: Source<'_>, output: &Path, watch: Watch<'_>) -> Result<Outcome> {
    recipe.check()?;
    // A run that was begun there once can still be finished.
    if !source.resume {
        check_apart(output, &[source.model.to_owned()])?;
    }
    let folder = Folder::check(output, recipe, source.resume, source.force)?;
    if let Some(mut model) = ImageCheckpoint::open(source.model)? {
        targeted::check_images(&recipe.method, &recipe.targets, &model)?;
        return images::job(recipe, &mut model, watch)?.run(&model, folder, source.resume, watch);
    }
    let mut checkpoint = Checkpoint::open(source.model)?;
    match recipe.task(&checkpoint)? {
        TaskName::Language => {
            targeted::check(&recipe.method, &recipe.targets, checkpoint.tensors())?;
            language::job(recipe, &checkpoint, watch)?.run(&checkpoint, folder, source.resume, watch)
        }
        TaskName::Classify => {
            targeted::check_texts(&recipe.method, &recipe.targets, &checkpoint)?;
            classify::job(recipe, &mut checkpoint, watch)?.run(&checkpoint, folder, source.resume, watch)
        }
    }
}

impl Recipe {
    /// What the model is trained for: classifying when it is an encoder or has such a head, or when there are labels.
    fn task(&self, checkpoint: &Checkpoint) -> Result<TaskName> {
        let head = classify::tells_classes(checkpoint)?;
        let told = if head || self.data.is_labelled() { TaskName::Classify } else { TaskName::Language };
        Ok(self.task.unwrap_or(told))
    }
}

/// A run whose data are read.
pub(crate) struct Job<'a, T: Runnable> {
    pub recipe: &'a Recipe,
    pub task: T,
    /// To learn from, and held out.
    pub batches: (Batches<T::Sample>, Option<Batches<T::Sample>>),
    pub checksum: String,
    pub described: Described,
    /// Those of the recipe, with the whole modules that the task adds.
    pub targets: TargetSection,
    /// Names of a classifier's classes.
    pub classes: Vec<String>,
}

impl<T: Runnable> Job<'_, T>
where
    T::Sample: Clone,
{
    fn run(self, files: &T::Files, folder: Folder, resume: bool, watch: Watch<'_>) -> Result<Outcome> {
        let Job { recipe, task, batches: (train, validation), targets, classes, .. } = self;
        let plan = recipe.plan(train.steps_per_epoch());
        let taken = (&recipe.method, &targets, Some(&train));
        let told = &mut |stage: Stage, done: usize, total: usize| {
            let _ = watch(match stage {
                Stage::Calibrating => Notice::Calibrating(done, total),
                _ => Notice::Attaching(done, total),
            });
            ControlFlow::Continue(())
        };
        let Ready { mut model, attached, numbers: all, unsettled, capped } =
            ready::<T>(files, taken, recipe.weights, recipe.seed, told)?;
        if 0 < unsettled {
            let _ = watch(Notice::Unsettled(unsettled));
        }
        if let Some(cut) = &capped {
            let _ = watch(Notice::Capped(cut));
        }
        let whole = train_whole(T::seen_mut(model.as_mut()), &targets.whole)?;
        let seen = T::seen(model.as_ref());
        match recipe.keep_residual {
            true => residual::require(seen)?,
            false => check_base(seen, Base::Original)?,
        }
        recipe.train.optimizer().check(seen)?;
        if let Some(section) = &recipe.distill {
            section.check(&task, model.as_ref(), &train)?;
        }
        let search = Search::planned(recipe, seen, (&train, &plan))?;
        folder.open(recipe, &self.checksum, resume)?;
        let reached = folder.reached(resume)?;
        let (ready, there) = ((model.as_mut(), attached), (&folder, &reached));
        let (candidates, attached) = match search::found::<T>(search, &task, ready, there, watch)? {
            Found::Picked(candidates, attached) => (candidates, attached),
            Found::Stopped(steps) => return Ok(Outcome::searching(steps, T::NAME)),
        };
        if !candidates.is_empty() {
            folder.write_json(search::FILE, &serde_json::json!(candidates))?;
        }
        if !classes.is_empty() {
            folder.write_json(CLASSES, &serde_json::json!(classes))?;
        }
        if recipe.keep_residual {
            let place = folder.path().join(residual::FOLDER);
            residual::write(T::seen(model.as_ref()), files, &place, &mut |_| ControlFlow::Continue(()))?;
        }
        let state = match reached {
            Reached::Training(state) => Some(state),
            Reached::Nothing | Reached::Search(_) => None,
        };
        let done = state.as_ref().map_or(0, |state| state.step);
        let (weights, trained) = (attached.sites.len(), attached.trained + whole);
        let _ = watch(Notice::Ready { weights, trained, all, steps: plan.schedule.steps, done });
        let metrics = Metrics::open(folder.path(), state.as_ref().map(|state| state.step))?;
        let mut recorder = Recorder {
            recipe,
            task: T::NAME,
            purpose: T::finish,
            folder,
            candidates,
            metrics,
            watch,
            error: None,
            best: None,
            steps: done,
            started: Instant::now(),
        };
        let data = Data { train: &train, validation: validation.as_ref() };
        let ended = match &recipe.distill {
            None => recorder.train::<T, _>(model.as_mut(), data, &task, &plan, state.as_ref())?,
            Some(section) => {
                let teacher = T::load(files, ModelFiles::tensors(files), recipe.weights)?;
                let task = section.task(task, teacher.as_ref());
                recorder.train::<T, _>(model.as_mut(), data, &task, &plan, state.as_ref())?
            }
        };
        recorder.finish((T::seen(model.as_ref()), files), &self.described, ended)
    }
}

/// Batches of the examples to learn from and of those held out, where there are such.
pub(crate) fn batched<S: Sample>(
    recipe: &Recipe,
    train: Vec<S>,
    validation: Vec<S>,
) -> Result<(Batches<S>, Option<Batches<S>>)> {
    let batching = match recipe.train.batch_tokens {
        Some(tokens) => Batching::Tokens(tokens),
        None => Batching::Examples(recipe.train.batch_size),
    };
    let train = Batches::new(train, batching, recipe.seed)?;
    let validation = match validation.is_empty() {
        true => None,
        false => Some(Batches::new(validation, batching, recipe.seed)?),
    };
    Ok((train, validation))
}

/// SHA-256 over the tokens of all examples and what is to be learnt of them, those to learn from first.
pub(crate) fn checksum<'a, E: 'a>(
    examples: impl Iterator<Item = &'a E>,
    parts: impl Fn(&'a E) -> (&'a Vec<u32>, Vec<u8>),
) -> String {
    let mut hash = Sha256::new();
    for (tokens, learnt) in examples.map(parts) {
        hash.update((tokens.len() as u64).to_le_bytes());
        tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        hash.update(learnt);
    }
    hex(hash)
}

/// What was hashed, as text.
pub(crate) fn hex(hash: Sha256) -> String {
    let bytes: [u8; 32] = hash.finalize().into();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes down what happens.
struct Recorder<'a, 'w> {
    recipe: &'a Recipe,
    task: TaskName,
    /// Says in an adapter what it is for.
    purpose: fn(&mut Adapter),
    folder: Folder,
    /// Modules that were searched.
    candidates: Vec<Candidate>,
    metrics: Metrics,
    watch: Watch<'w>,
    error: Option<Error>,
    best: Option<Best>,
    steps: usize,
    started: Instant,
}

impl Recorder<'_, '_> {
    fn train<T: Runnable, K: Task<Model = T::Model, Sample = T::Sample>>(
        &mut self,
        model: &mut T::Model,
        data: Data<'_, T::Sample>,
        task: &K,
        plan: &Plan,
        state: Option<&State>,
    ) -> Result<Ending> {
        self.best = state.and_then(|state| state.best);
        self.started = Instant::now();
        let mut optimizer = self.recipe.train.optimizer();
        let slots: (&K, &mut dyn rankine_train::Optimizer) = (task, &mut optimizer);
        let ended = rankine_train::run::<K>(model, data, slots, plan, state, &mut |event, model| {
            if self.error.is_some() {
                return ControlFlow::Break(());
            }
            self.record(event, T::seen(model)).unwrap_or_else(|error| {
                self.error = Some(error);
                ControlFlow::Break(())
            })
        });
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        ended.map_err(|source| self.folder.stopped(source))
    }

    fn record(&mut self, event: &Event<'_>, model: &dyn Model) -> Result<ControlFlow<()>> {
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
                let (nll, scored) = (score.nll(), score.scored());
                let metrics = score.metrics().into_iter().map(|(name, value)| (name.to_owned(), value));
                self.metrics.add(Line::Evaluation { step, nll, scored, metrics: metrics.collect() })?;
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

    fn adapter(&self, model: &dyn Model) -> Result<Adapter> {
        let residual = || self.folder.path().join(residual::FOLDER).display().to_string();
        let mut adapter = match self.recipe.keep_residual {
            true => export(model, Base::Residual, Some(residual()))?,
            false => export(model, Base::Original, Some(self.recipe.model.clone()))?,
        };
        (self.purpose)(&mut adapter);
        Ok(adapter)
    }

    fn finish(
        mut self,
        (model, files): (&dyn Model, &dyn ModelFiles),
        data: &Described,
        ending: Ending,
    ) -> Result<Outcome> {
        let adapter = self.adapter(model)?;
        let report = page(self.recipe, data, &self.candidates, &self.metrics, &adapter)?;
        self.folder.write("report.html", report.html().as_bytes())?;
        if thin::is_there(model) {
            self.folder.write_thin(model, files)?;
        }
        let first = self.metrics.losses().next();
        let last = self.metrics.losses().last();
        let losses = first.zip(last).map(|(first, last)| (first.1, last.1));
        let (steps, best, task) = (self.steps, self.best.take(), self.task);
        Ok(Outcome { ending, steps, best, searched: None, losses, task })
    }
}
