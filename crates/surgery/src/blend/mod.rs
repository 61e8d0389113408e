//! Blending models: one of several, tensor by tensor, by mergekit's recipes and a few methods more.
//!
//! A recipe says which models, layers and parameters; a method is one file, and a line of the list. Where a number depends on
//! those of its place alone, rows are made a block at a time; methods that need norms or ranks hold one tensor of every model a
//! thread. Numbers are read as f32, summed in f64, and rounded once, to the type of the result. Chance is drawn by the name of
//! a tensor and the number of a model, so that results do not depend on threads.
//!
//! - A model that ties its head to its embedding, among others that do not, gives its embedding for the head.
//! - Embeddings and heads of several sizes are cut to the rows and columns that all have, with a warning. Another tensor of
//!   another shape than the base's is left out by methods on differences from a base, with a warning, and refused by others.
//! - A tensor that models have in several types becomes f32; floats of eight bits count as bf16, in which they are written. Counts
//!   and masks are those of the first model.
//! - A gradient runs over the blocks of a slice; what is in no block is at its beginning, and so is everything in a network
//!   whose blocks have no numbers. A slice of one block is at its end, as in mergekit.
//! - Configuration, tokenizer and other small files are the base's, or the first model's.

mod arc;
mod blending;
mod card;
mod draft;
mod layers;
mod loaded;
mod methods;
mod piece;
mod recipe;
mod report;
mod rounding;
mod search;
mod settings;
mod sparse;
mod sums;
mod wants;

pub use blending::{Blending, Ingredient};
pub use methods::robust_signature;
pub use recipe::{BlendRecipe, RecipeFault, Reference};
pub use report::{BlendReport, BlendedGroup, BlendedTensor, ModelRead};
pub use sums::combine as weighted_sum;

use rankine_random::Rng;
use recipe::Wrong;

/// The depth of what is never shallow: a head.
const HEAD_UNIT: usize = usize::MAX;

/// A way of making one tensor of several, with its settings for this tensor.
trait Blend: Send + Sync {
    /// Whether a number depends on the numbers of its place alone: then rows will do.
    fn is_elementwise(&self) -> bool;

    /// Whether the result is the first model's tensor.
    fn is_copy(&self) -> bool {
        false
    }

    /// Makes the numbers. The models' own may be used up where there is a base.
    ///
    /// # Errors
    /// When the numbers have no blend.
    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong>;
}

/// What a tensor, or some rows of it, is made of.
struct Operands<'a> {
    /// Its name.
    tensor: &'a str,
    /// The base's numbers; empty where the method has no base.
    base: &'a [f32],
    /// Those of the other models, each as many.
    models: &'a mut [Vec<f32>],
    /// Length of a row, along all axes but the first; a vector is one row.
    width: usize,
    /// Chance that belongs to this tensor.
    rng: Rng,
}
