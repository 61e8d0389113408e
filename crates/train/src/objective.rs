//! What is minimised, and how variables move.

use crate::Result;
use rankine_data::Batch;
use rankine_nn::{LanguageModel, Pass, Place, Tokens};
use rankine_tensor::{Tensor, Var};
use std::sync::Arc;

/// What is minimised: one loss a row, 0 where nothing is to be learnt.
pub trait Objective: Sync {
    /// Losses of a batch; [t].
    fn losses<'m>(&self, model: &'m dyn LanguageModel, batch: &Batch, pass: &mut Pass<'m>) -> Result<Tensor>;
}

/// −ln p(next token), the objective of language models.
#[derive(Clone, Copy, Debug, Default)]
pub struct NextToken;

impl Objective for NextToken {
    fn losses<'m>(&self, model: &'m dyn LanguageModel, batch: &Batch, pass: &mut Pass<'m>) -> Result<Tensor> {
        let hidden = model.hidden(&Tokens::packed(&batch.tokens, &batch.lengths), pass)?;
        let targets: Arc<[u32]> = batch.targets.as_slice().into();
        Ok(model.head().weight.losses(&hidden, &targets)?)
    }
}

/// Something that moves variables along their gradients.
pub trait Optimizer: Send {
    /// Moves one variable; `step` counts from 1.
    fn update(&mut self, place: &Place, variable: &mut Var, gradient: &[f32], step: u64, learning_rate: f32);

    /// What it remembers of every variable, by name; one vector a trained leaf, in order.
    fn memory(&mut self) -> Vec<(&'static str, &mut Vec<Vec<f32>>)>;
}
