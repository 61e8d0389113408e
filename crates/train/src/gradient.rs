//! The gradient of one step: the mean loss over all tokens to be learnt, however many batches they come in.

use crate::{Error, Objective, Result};
use rankine_data::Batch;
use rankine_kernels::reduce::{axpy, scale, sum_of_squares};
use rankine_nn::{LanguageModel, Pass, for_each_trained, penalty};
use rankine_random::Rng;
use rankine_tensor::{Gradients, Tensor};

/// Mean loss and its gradient.
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    /// Mean loss of the tokens to be learnt.
    pub loss: f64,
    /// How many tokens those were.
    pub targets: usize,
    /// How many tokens were read.
    pub tokens: usize,
    /// One a trained leaf, `None` where the loss does not depend on it.
    pub leaves: Vec<Option<Tensor>>,
}

/// Gradient of the mean loss over `batches`; `recompute` saves memory by running every block twice.
pub fn gradient(
    model: &dyn LanguageModel,
    objective: &dyn Objective,
    batches: &[Batch],
    rng: &Rng,
    recompute: bool,
) -> Result<Gradient> {
    let targets: usize = batches.iter().map(Batch::target_count).sum();
    let tokens = batches.iter().map(|batch| batch.tokens.len()).sum();
    let mut total = Gradient { targets, tokens, ..Gradient::default() };
    for (index, batch) in batches.iter().enumerate().filter(|(_, batch)| batch.target_count() > 0) {
        let mut pass = Pass::training(rng.fork_index("batch", index), recompute);
        let loss = objective.losses(model, batch, &mut pass)?.sum().scale((targets as f32).recip());
        total.loss += f64::from(loss.item());
        if !loss.item().is_finite() {
            return Ok(total);
        }
        pass.backward(&loss, &mut |gradients| total.add(model, gradients))?;
    }
    Ok(total)
}

impl Gradient {
    /// Adds the slope of what the weights add to the loss: once a step, whatever the number of batches.
    pub fn add_penalty(&mut self, model: &dyn LanguageModel) -> Result<()> {
        if let Some(penalty) = penalty(model)? {
            self.add(model, &penalty.backward()?);
        }
        Ok(())
    }

    fn add(&mut self, model: &dyn LanguageModel, gradients: &Gradients) {
        for_each_trained(model, &mut |place, variable| {
            self.leaves.resize(self.leaves.len().max(place.index + 1), None);
            let Some(gradient) = gradients.of(variable) else {
                return;
            };
            match &mut self.leaves[place.index] {
                Some(sum) => gradient.read(|values| sum.update(|sum| axpy(1.0, values, sum))),
                empty => *empty = Some(gradient),
            }
        });
    }

    /// Euclidean length over all leaves.
    pub fn norm(&self) -> f64 {
        self.leaves.iter().flatten().map(|leaf| leaf.read(sum_of_squares)).sum::<f64>().sqrt()
    }

    /// Shortens the gradient to `limit`, as torch's `clip_grad_norm_` does; its length before.
    pub fn clip(&mut self, limit: Option<f32>) -> f64 {
        let norm = self.norm();
        if let Some(limit) = limit
            && norm.is_finite()
        {
            let factor = (f64::from(limit) / (norm + 1e-6)) as f32;
            if factor < 1.0 {
                self.leaves.iter_mut().flatten().for_each(|leaf| leaf.update(|values| scale(values, factor)));
            }
        }
        norm
    }

    /// Refuses a loss or a gradient that is not finite; `step` counts from 1.
    pub fn check(&self, norm: f64, step: usize, learning_rate: f32) -> Result<()> {
        let what = match (self.loss.is_finite(), norm.is_finite()) {
            (true, true) => return Ok(()),
            (false, _) => "loss",
            (true, false) => "gradient",
        };
        Err(Error::NotFinite { what, step, learning_rate })
    }
}
