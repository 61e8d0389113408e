//! The gradient of one step: the mean loss over all that is to be learnt, however many batches it comes in.

use crate::{BatchOf, Count, Error, Result, Task};
use rankine_kernels::reduce::{axpy, scale, sum_of_squares};
use rankine_nn::{Model, Pass, for_each_trained, penalty};
use rankine_random::Rng;
use rankine_tensor::{Gradients, Tensor};

/// Mean loss and its gradient.
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    /// Mean loss of what is to be learnt.
    pub loss: f64,
    /// How many losses those were.
    pub targets: usize,
    /// How many tokens were read.
    pub tokens: usize,
    /// One a trained leaf, `None` where the loss does not depend on it.
    pub leaves: Vec<Option<Tensor>>,
}

/// Gradient of the mean loss over `batches`; `recompute` saves memory by running every block twice.
pub fn gradient<T: Task>(
    model: &T::Model,
    task: &T,
    batches: &[BatchOf<T>],
    rng: &Rng,
    recompute: bool,
) -> Result<Gradient> {
    let counts: Vec<Count> = batches.iter().map(|batch| task.count(batch)).collect();
    let targets: usize = counts.iter().map(|count| count.targets).sum();
    let tokens = counts.iter().map(|count| count.tokens).sum();
    let mut total = Gradient { targets, tokens, ..Gradient::default() };
    let full = batches.iter().zip(counts).enumerate().filter(|(_, (_, count))| count.targets > 0);
    for (index, (batch, _)) in full {
        let mut pass = Pass::training(rng.fork_index("batch", index), recompute);
        let loss = task.losses(model, batch, &mut pass)?.sum().scale((targets as f32).recip());
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
    pub fn add_penalty(&mut self, model: &(impl Model + ?Sized)) -> Result<()> {
        if let Some(penalty) = penalty(model)? {
            self.add(model, &penalty.backward()?);
        }
        Ok(())
    }

    fn add(&mut self, model: &(impl Model + ?Sized), gradients: &Gradients) {
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
