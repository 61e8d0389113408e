//! What a model is trained for, and how variables move.

use crate::{Result, Score, evaluate};
use rankine_data::{Batch, Example, Sample};
use rankine_nn::{LanguageModel, Model, Pass, Place, Tokens};
use rankine_tensor::{Tensor, Var};
use std::{fmt::Debug, sync::Arc};

/// What one step of a task sees.
pub type BatchOf<T> = <<T as Task>::Sample as Sample>::Batch;

/// How much a batch asks of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Losses that count: what is to be learnt.
    pub targets: usize,
    /// Tokens read.
    pub tokens: usize,
}

/// What a model is trained for: the losses of a batch, and what is measured on held-out data.
pub trait Task: Sized {
    /// What a model must be able to do.
    type Model: Model + ?Sized;
    /// What batches are made of.
    type Sample: Sample;
    /// What is measured.
    type Score: Measured;

    /// How much there is in a batch.
    fn count(&self, batch: &BatchOf<Self>) -> Count;

    /// Losses of a batch, 0 where nothing is to be learnt; their sum over the targets is what is minimised; [n].
    fn losses<'m>(
        &self,
        model: &'m Self::Model,
        batch: &BatchOf<Self>,
        pass: &mut Pass<'m>,
    ) -> Result<Tensor>;

    /// Runs a model over a batch for what `pass` keeps of it: the same without the losses, where that is cheaper.
    fn features<'m>(&self, model: &'m Self::Model, batch: &BatchOf<Self>, pass: &mut Pass<'m>) -> Result<()> {
        self.losses(model, batch, pass).map(drop)
    }

    /// Scores batches off the tape; `watch` is told how many samples are done.
    fn score(
        &self,
        model: &Self::Model,
        batches: &mut dyn Iterator<Item = BatchOf<Self>>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Self::Score>;
}

/// How good a model was found to be.
pub trait Measured: Debug {
    /// Mean −ln p of what was to be said: what early stopping goes by.
    fn nll(&self) -> f64;

    /// Further numbers by their names, in a fixed order.
    fn metrics(&self) -> Vec<(&'static str, f64)>;

    /// How many answers were scored: tokens, or examples.
    fn scored(&self) -> usize;
}

/// Language models: −ln p(next token).
#[derive(Clone, Copy, Debug, Default)]
pub struct NextToken;

impl Task for NextToken {
    type Model = dyn LanguageModel;
    type Sample = Example;
    type Score = Score;

    fn count(&self, batch: &Batch) -> Count {
        Count { targets: batch.target_count(), tokens: batch.tokens.len() }
    }

    fn losses<'m>(&self, model: &'m Self::Model, batch: &Batch, pass: &mut Pass<'m>) -> Result<Tensor> {
        let hidden = model.hidden(&Tokens::packed(&batch.tokens, &batch.lengths), pass)?;
        let targets: Arc<[u32]> = batch.targets.as_slice().into();
        Ok(model.head().weight.losses(&hidden, &targets)?)
    }

    fn features<'m>(&self, model: &'m Self::Model, batch: &Batch, pass: &mut Pass<'m>) -> Result<()> {
        model.hidden(&Tokens::packed(&batch.tokens, &batch.lengths), pass)?;
        Ok(())
    }

    fn score(
        &self,
        model: &Self::Model,
        batches: &mut dyn Iterator<Item = Batch>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Score> {
        evaluate(model, batches, watch)
    }
}

/// Something that moves variables along their gradients.
pub trait Optimizer: Send {
    /// Moves one variable; `step` counts from 1.
    fn update(&mut self, place: &Place, variable: &mut Var, gradient: &[f32], step: u64, learning_rate: f32);

    /// What it remembers of every variable, by name; one vector a trained leaf, in order.
    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)>;
}
