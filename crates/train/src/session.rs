//! The loop.

use crate::{Best, Error, Measured, Optimizer, Result, Schedule, State, Task, gradient::gradient};
use rankine_data::{Batches, Example, Sample};
use rankine_nn::{Model, Pass, for_each_trained, for_each_trained_mut};
use rankine_random::Rng;
use rankine_tensor::untaped;
use std::ops::ControlFlow;

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Learning rates, and how many steps there are.
    pub schedule: Schedule,
    /// Batches whose gradients make one step.
    pub accumulation: usize,
    /// Longest gradient; longer ones are shortened to it.
    pub clip: Option<f32>,
    /// Steps between evaluations on held-out data; 0 for one at the end.
    pub evaluate_every: usize,
    /// Steps between saved states; 0 for one at the end.
    pub save_every: usize,
    /// Evaluations without improvement before the run ends early.
    pub patience: Option<usize>,
    /// Blocks are computed again in the backward pass, for less memory.
    pub recompute: bool,
    /// Seed of everything random.
    pub seed: u64,
}

impl Plan {
    /// Steps of a batch each, gradients cut at length 1; evaluated and saved at the end alone.
    pub fn plain(schedule: Schedule, seed: u64) -> Self {
        Self {
            schedule,
            accumulation: 1,
            clip: Some(1.0),
            evaluate_every: 0,
            save_every: 0,
            patience: None,
            recompute: false,
            seed,
        }
    }
}

/// Where the batches of the steps come from.
pub trait Feed<S: Sample> {
    /// The batch of a number, from 0; the same whenever it is asked for.
    fn get(&self, number: usize) -> S::Batch;
}

impl<S: Sample> Feed<S> for Batches<S> {
    fn get(&self, number: usize) -> S::Batch {
        Self::get(self, number)
    }
}

/// What is trained on, and what is only looked at.
pub struct Data<'a, S: Sample = Example> {
    /// Batches of the steps.
    pub train: &'a dyn Feed<S>,
    /// Held-out examples.
    pub validation: Option<&'a Batches<S>>,
}

impl<S: Sample> Clone for Data<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Sample> Copy for Data<'_, S> {}

/// One finished step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub step: usize,
    /// Mean loss before the step.
    pub loss: f64,
    /// Length of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub learning_rate: f32,
    /// Tokens read.
    pub tokens: usize,
}

/// What the loop tells its watcher.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step was made.
    Step(Step),
    /// The model was scored on the held-out data.
    Evaluated {
        /// After so many steps.
        step: usize,
        /// How well it did.
        score: &'a dyn Measured,
        /// Better than ever before in this run.
        best: bool,
    },
    /// The state of this moment is due to be saved.
    Save(&'a State),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps were made.
    Finished,
    /// Held-out loss no longer fell.
    EarlyStop,
    /// The watcher asked to stop; the state was saved.
    Interrupted,
}

type Watch<'a, T> = &'a mut dyn FnMut(&Event<'_>, &<T as Task>::Model) -> ControlFlow<()>;

/// Trains `model` from `state` on.
///
/// Every step is a function of the seed, its number and the weights: a run that is resumed from a saved state ends with the
/// same bits as one that never stopped. An error leaves the weights as they were before the failing step.
pub fn run<T: Task>(
    model: &mut T::Model,
    data: Data<'_, T::Sample>,
    (task, optimizer): (&T, &mut dyn Optimizer),
    plan: &Plan,
    state: Option<&State>,
    watch: Watch<'_, T>,
) -> Result<Ending> {
    plan.check(model)?;
    // A method may have left smaller weights than it found.
    rankine_kernels::memory::give_back();
    let mut progress = Progress::default();
    if let Some(state) = state {
        state.restore(model, optimizer)?;
        progress = Progress { step: state.step, best: state.best, stale: state.stale };
        if progress.is_stale(plan) && progress.step < plan.schedule.steps {
            return Ok(Ending::EarlyStop);
        }
    }
    let rng = Rng::new(plan.seed).fork("train");
    if progress.step == 0 {
        progress.evaluate::<T>(model, (task, data), 0.0, watch)?;
    }
    while progress.step < plan.schedule.steps {
        let step = advance(model, data.train, (task, &mut *optimizer), plan, (&rng, progress.step))?;
        progress.step = step.step;
        let interrupted = watch(&Event::Step(step), model).is_break();
        let last = progress.step == plan.schedule.steps;
        // Also when it is time to stop: a resumed run must know what an unbroken one knows.
        if last || due(progress.step, plan.evaluate_every) {
            progress.evaluate::<T>(model, (task, data), step.learning_rate, watch)?;
        }
        let stale = progress.is_stale(plan);
        if last || stale || interrupted || due(progress.step, plan.save_every) {
            verify(model, task, data.train, plan, step)?;
            let state = State::capture(model, optimizer, progress.step, progress.best, progress.stale);
            if watch(&Event::Save(&state), model).is_break() && !last && !stale {
                return Ok(Ending::Interrupted);
            }
        }
        if interrupted && !last {
            return Ok(Ending::Interrupted);
        }
        if stale && !last {
            return Ok(Ending::EarlyStop);
        }
    }
    Ok(Ending::Finished)
}

/// One step: gradient of the loss, clipping, slope of the penalties, update.
fn advance<T: Task>(
    model: &mut T::Model,
    batches: &dyn Feed<T::Sample>,
    (task, optimizer): (&T, &mut dyn Optimizer),
    plan: &Plan,
    (rng, done): (&Rng, usize),
) -> Result<Step> {
    let step = done + 1;
    let learning_rate = plan.schedule.at(done);
    let batches: Vec<_> =
        (0..plan.accumulation).map(|part| batches.get(done * plan.accumulation + part)).collect();
    let mut gradient = gradient(model, task, &batches, &rng.fork_index("step", step), plan.recompute)?;
    if gradient.targets == 0 {
        return Err(Error::NoTargets { step });
    }
    let gradient_norm = gradient.clip(plan.clip);
    gradient.check(gradient_norm, step, learning_rate)?;
    gradient.add_penalty(model)?;
    for_each_trained_mut(model, &mut |place, variable| {
        if let Some(Some(leaf)) = gradient.leaves.get(place.index) {
            leaf.read(|values| optimizer.update(&place, variable, values, step as u64, learning_rate));
        }
    });
    Ok(Step { step, loss: gradient.loss, gradient_norm, learning_rate, tokens: gradient.tokens })
}

/// Refuses weights that give no finite loss on the data of the next step: what is saved can be gone on with.
fn verify<T: Task>(
    model: &T::Model,
    task: &T,
    batches: &dyn Feed<T::Sample>,
    plan: &Plan,
    Step { step, learning_rate, .. }: Step,
) -> Result<()> {
    let not_finite = |what| Err(Error::NotFinite { what, step, learning_rate });
    let mut finite = true;
    for_each_trained(model, &mut |_, variable| {
        finite &= variable.tensor().read(|values| values.iter().all(|value| value.is_finite()));
    });
    if !finite {
        return not_finite("update");
    }
    let batch = batches.get(step * plan.accumulation);
    let losses = untaped(|| task.losses(model, &batch, &mut Pass::quiet()))?;
    if losses.read(|losses| losses.iter().all(|loss| loss.is_finite())) {
        Ok(())
    } else {
        not_finite("loss after the update")
    }
}

fn due(step: usize, every: usize) -> bool {
    every > 0 && step.is_multiple_of(every)
}

#[derive(Default)]
struct Progress {
    step: usize,
    best: Option<Best>,
    stale: usize,
}

impl Progress {
    fn is_stale(&self, plan: &Plan) -> bool {
        plan.patience.is_some_and(|patience| self.stale >= patience)
    }

    fn evaluate<T: Task>(
        &mut self,
        model: &T::Model,
        (task, data): (&T, Data<'_, T::Sample>),
        learning_rate: f32,
        watch: Watch<'_, T>,
    ) -> Result<()> {
        let Some(validation) = data.validation else {
            return Ok(());
        };
        let score = task.score(model, &mut validation.sequential(), &mut |_| {})?;
        let nll = score.nll();
        if !nll.is_finite() {
            return Err(Error::NotFinite { what: "held-out loss", step: self.step, learning_rate });
        }
        let best = self.best.is_none_or(|best| nll < best.nll);
        self.stale = if best { 0 } else { self.stale + 1 };
        if best {
            self.best = Some(Best { step: self.step, nll });
        }
        let _ = watch(&Event::Evaluated { step: self.step, score: &score, best }, model);
        Ok(())
    }
}

impl Plan {
    fn check(&self, model: &(impl Model + ?Sized)) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        let rate = self.schedule.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return setting("learning_rate", "above 0", rate.to_string());
        }
        if self.accumulation == 0 {
            return setting("accumulation", "1 or more", "0".to_owned());
        }
        if self.clip.is_some_and(|clip| clip.is_nan() || clip <= 0.0) {
            return setting("clip", "above 0", format!("{:?}", self.clip));
        }
        let mut trained = 0;
        for_each_trained(model, &mut |_, _| trained += 1);
        if trained == 0 { Err(Error::NothingTrained) } else { Ok(()) }
    }
}
