//! Arrays that are kept for a backward pass, or made again for it.
//!
//! An activation that is cheap to make from others, which the tape keeps anyway, need not be kept by every operation that
//! reads it: silu(g)∘u is as large as g and u, a normed row as large as the row. Such a tensor carries a recipe, and what
//! is kept of it is the recipe. Making it again is one pass over memory beside products that cost hundreds.

use crate::Tensor;
use burn::backend::flex::FlexTensor;
use std::{fmt, sync::Arc};

/// How the numbers of a tensor are made again; as many as it holds.
#[derive(Clone)]
pub(crate) struct Recipe(Arc<dyn Fn() -> Vec<f32> + Send + Sync>);

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipe")
    }
}

impl Tensor {
    /// Lets the tape keep `make` instead of the numbers; without effect on a constant, which no backward pass reads.
    pub(crate) fn made_by(self, make: impl Fn() -> Vec<f32> + Send + Sync + 'static) -> Self {
        let recipe = self.is_tracked().then(|| Recipe(Arc::new(make)));
        Self { recipe, ..self }
    }
}

/// What is kept of an input.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Array(FlexTensor),
    Recipe(Recipe),
}

impl Kept {
    /// Of a tensor whose numbers are `array`.
    pub fn of(tensor: &Tensor, array: FlexTensor) -> Self {
        match &tensor.recipe {
            Some(recipe) => Self::Recipe(recipe.clone()),
            None => Self::Array(array),
        }
    }

    /// The numbers, for as long as `reader` runs.
    pub fn read<R>(&self, reader: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            Self::Array(array) => reader(array.as_slice::<f32>().unwrap_or_default()),
            Self::Recipe(Recipe(make)) => reader(&make()),
        }
    }
}
