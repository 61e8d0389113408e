//! The loop, with a learning rate of its own for some modules.

use crate::Result;
use rankine_nn::Place;
use rankine_tensor::Var;
use rankine_train::{AdamW, Data, Event, Feed, Optimizer, Plan, Schedule, Task};
use std::ops::ControlFlow;

/// The loss of every step of a task, up to one that is no number.
pub(crate) fn follow<T: Task>(
    model: &mut T::Model,
    (task, train): (&T, &dyn Feed<T::Sample>),
    optimizer: &mut dyn Optimizer,
    schedule: Schedule,
    seed: u64,
) -> Result<Vec<f64>> {
    let plan = Plan::plain(schedule, seed);
    let mut losses = Vec::new();
    let data = Data { train, validation: None };
    let slots: (&T, &mut dyn Optimizer) = (task, optimizer);
    let ended = rankine_train::run::<T>(model, data, slots, &plan, None, &mut |event, _| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        ControlFlow::Continue(())
    });
    match ended {
        Ok(_) => {}
        Err(rankine_train::Error::NotFinite { .. }) => losses.push(f64::NAN),
        Err(error) => return Err(error.into()),
    }
    Ok(losses)
}

/// AdamW with a learning rate of its own for some modules: that of the step, times a factor.
pub(crate) struct Apart<'m> {
    inner: AdamW,
    modules: &'m [String],
    factor: f32,
}

impl<'m> Apart<'m> {
    pub(crate) fn new(modules: &'m [String], factor: f32) -> Self {
        Self { inner: AdamW::default(), modules, factor }
    }
}

impl Optimizer for Apart<'_> {
    fn update(&mut self, place: &Place, variable: &mut Var, gradient: &[f32], step: u64, learning_rate: f32) {
        let is_within = |module: &String| {
            place.name.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        let factor = if self.modules.iter().any(is_within) { self.factor } else { 1.0 };
        self.inner.update(place, variable, gradient, step, learning_rate * factor);
    }

    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)> {
        self.inner.memory()
    }
}
