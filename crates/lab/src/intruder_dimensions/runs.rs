//! Fine-tuning runs, and what is seen of their weights.

use super::{
    arms::{Arm, Setting},
    chosen::Chosen,
};
use crate::{
    Result,
    language::{Held, follow, nll},
    transfer::mean,
};
use rankine_analyze::{ChangeSum, MatrixChange, Progress, changes, spectra, sweep};
use rankine_data::Batches;
use rankine_method::attach;
use rankine_nn::LanguageModel;
use rankine_random::Rng;
use rankine_train::{Schedule, Shape};
use std::{ops::ControlFlow, path::Path};

/// k: how many leading triples of every matrix are looked at.
pub(super) const TOP: usize = 10;

/// Thresholds at which intruders are counted.
pub(super) const EPSILONS: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// ε: the threshold of the paper's code.
pub(super) const EPSILON: f64 = 0.5;

/// Steps over which a training loss is a mean.
const WINDOW: usize = 10;

/// How much longer than full fine-tuning a run may take to its training loss.
const PATIENCE: usize = 4;

/// What learns, and what.
pub(super) struct Subject<'a> {
    pub load: &'a dyn Fn() -> Result<Box<dyn LanguageModel>>,
    /// Those that are trained.
    pub modules: Vec<String>,
    pub train: Batches,
    /// Held-out texts of what is learnt.
    pub tuned: Batches,
    /// Texts of what was known before.
    pub base: Batches,
}

/// Mean −ln p.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Losses {
    /// Of what was known before.
    pub base: f64,
    /// Of what is learnt.
    pub tuned: f64,
}

/// Losses with some triples scaled.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Scaled {
    /// λ.
    pub factor: f64,
    /// Intruders were scaled.
    pub intruders: Losses,
    /// Triples of the base near them were.
    pub neighbours: Losses,
}

/// One run.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Run {
    pub label: String,
    pub seed: u64,
    pub rate: f32,
    pub steps: usize,
    /// Training loss, a mean over the last steps.
    pub loss: f64,
    pub before: Losses,
    pub after: Losses,
    /// ‖ΔW‖ / ‖W‖ over all trained matrices.
    pub relative: f64,
    /// Of ΔW, a mean over the matrices.
    pub effective_rank: f64,
    /// Over all matrices, one for every threshold.
    pub intruders: Vec<usize>,
    /// One for every factor; none of a run without intruders.
    pub scaled: Vec<Scaled>,
}

impl Run {
    /// What the first task lost.
    pub fn forgot(&self) -> f64 {
        self.after.base - self.before.base
    }

    /// Intruders at [`EPSILON`].
    pub fn count(&self) -> f64 {
        let counted = EPSILONS.iter().zip(&self.intruders).find(|(epsilon, _)| **epsilon == EPSILON);
        counted.map_or(f64::NAN, |(_, &count)| count as f64)
    }

    /// The share of what was forgotten that `now` has back.
    pub fn back(&self, now: Losses) -> f64 {
        (self.after.base - now.base) / self.forgot()
    }

    /// By which share of it the loss of what was learnt is higher `now`.
    pub fn cost(&self, now: Losses) -> f64 {
        now.tuned / self.after.tuned - 1.0
    }
}

impl Subject<'_> {
    /// Every arm of the setting.
    pub fn runs(&self, setting: &Setting, seed: u64, watch: &mut dyn FnMut(&str)) -> Result<Vec<Run>> {
        let model = (self.load)()?;
        let (weights, before) = (self.weights(model.as_ref())?, self.losses(model.as_ref())?);
        drop(model);
        let (mut runs, mut target) = (Vec::new(), None);
        for arm in setting.arms() {
            watch(&format!("seed {seed}: {}", arm.label));
            let mut model = (self.load)()?;
            let losses = self.tune(model.as_mut(), &arm, (setting, seed), target)?;
            let loss = last(&losses);
            target = target.or(Some(loss));
            let tuned = self.weights(model.as_ref())?;
            tuned.put_into(model.as_mut())?;
            let after = self.losses(model.as_ref())?;
            let look = look([&weights, &tuned], &arm.label)?;
            runs.push(Run {
                seed,
                rate: arm.rate,
                steps: losses.len(),
                loss,
                before,
                after,
                relative: look.relative,
                effective_rank: mean(
                    &look.matrices.iter().map(MatrixChange::effective_rank).collect::<Vec<_>>(),
                ),
                intruders: sweep(&look.matrices, &[TOP], &EPSILONS).concat(),
                scaled: self.scaled(model.as_mut(), &tuned, &look.matrices, &setting.factors)?,
                label: arm.label,
            });
        }
        Ok(runs)
    }

    /// Until the training loss is at the target, where there is one; the loss of every step.
    fn tune(
        &self,
        model: &mut (dyn LanguageModel + 'static),
        arm: &Arm,
        (setting, seed): (&Setting, u64),
        target: Option<f64>,
    ) -> Result<Vec<f64>> {
        let rng = Rng::new(seed).fork("intruders");
        attach(model, arm.choice.method(), &self.modules, &rng, &mut |_, _| {})?;
        let steps = if target.is_some() { PATIENCE * setting.steps } else { setting.steps };
        let schedule = Schedule { learning_rate: arm.rate, warmup: 0, steps, shape: Shape::Constant };
        let there =
            |losses: &[f64]| WINDOW <= losses.len() && target.is_some_and(|target| last(losses) <= target);
        follow(model, &self.train, schedule, &there)
    }

    fn scaled(
        &self,
        model: &mut (dyn LanguageModel + 'static),
        tuned: &Held,
        matrices: &[MatrixChange],
        factors: &[f64],
    ) -> Result<Vec<Scaled>> {
        let chosen = matrices.iter().map(|matrix| Chosen::new(tuned, matrix, EPSILON));
        let chosen: Vec<Chosen> = chosen.filter_map(Result::transpose).collect::<Result<_>>()?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let mut losses = |factor, triples: fn(&Chosen) -> &[usize]| -> Result<Losses> {
            Chosen::scaled(&chosen, tuned, factor, triples).put_into(model)?;
            self.losses(model)
        };
        let mut scaled = Vec::with_capacity(factors.len());
        for &factor in factors {
            let intruders = losses(factor, |chosen| &chosen.intruders)?;
            scaled.push(Scaled {
                factor,
                intruders,
                neighbours: losses(factor, |chosen| &chosen.neighbours)?,
            });
        }
        Ok(scaled)
    }

    fn losses(&self, model: &dyn LanguageModel) -> Result<Losses> {
        Ok(Losses { base: nll(model, &self.base)?, tuned: nll(model, &self.tuned)? })
    }

    /// The matrices that are trained.
    fn weights(&self, model: &dyn LanguageModel) -> Result<Held> {
        Held::of_linear(model, &self.modules)
    }
}

/// What tuning did to the matrices.
struct Look {
    relative: f64,
    matrices: Vec<MatrixChange>,
}

fn look([base, tuned]: [&Held; 2], label: &str) -> Result<Look> {
    let pair = rankine_surgery::pair([base, tuned], [Path::new("base"), Path::new(label)])?;
    let moved = changes(pair, &mut on)?;
    let relative = ChangeSum::of(&moved).relative().unwrap_or(0.0);
    Ok(Look { relative, matrices: spectra(pair, &moved, TOP, &mut on)? })
}

/// Nobody breaks an experiment off.
fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The mean over the last steps.
fn last(losses: &[f64]) -> f64 {
    mean(&losses[losses.len().saturating_sub(WINDOW)..])
}
