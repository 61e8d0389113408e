//! What a method must see of the inputs of its weights before it can take them over, and what was seen.
//!
//! A method says what it [`Needs`]; [`calibrate`] watches the inputs of the weights while its caller runs the model on
//! some batches, and makes [`Statistics`] of them; [`Calibration::inform`] hands these to the method, site by site.

mod allocate;
mod collect;
mod collector;
mod informed;
mod input;
mod tracked;

pub use allocate::allocate;
pub use collect::{Shown, calibrate};
pub use collector::Collector;
pub use informed::Informed;

use crate::pissa::Decomposition;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a method must see of the inputs of its weights; `Default` is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// The mean of xᵀ·x.
    pub second_moment: bool,
    /// The mean of |x|, column by column.
    pub magnitude: bool,
    /// The mean of x², column by column.
    pub square: bool,
    /// Directions of largest variance.
    pub principal: Option<Principal>,
    /// Batches that are shown, at most.
    pub batches: usize,
    /// Only the rows of tokens that are learnt count.
    pub answers_only: bool,
}

impl Needs {
    /// Whether it is anything at all.
    pub fn any(&self) -> bool {
        self.second_moment || self.magnitude || self.square || self.principal.is_some()
    }
}

/// Directions of largest variance, looked for until they stay where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Principal {
    /// How many are kept at every weight.
    pub components: usize,
    /// How many of them are wanted, on average over the weights: those of the largest shares of variance.
    pub rank: usize,
    /// A weight that cannot have so many counts with what it can have.
    pub capped: bool,
    /// The cosine with the directions of the batch before from which on they have converged.
    pub tolerance: f32,
    /// What must have that cosine.
    pub converge: Converge,
    /// How they are found in a batch.
    pub svd: Decomposition,
    /// Rounds of the randomised SVD.
    pub iterations: usize,
}

/// When directions have converged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Converge {
    /// Every one by itself.
    #[default]
    Vectors,
    /// What they span; singular values that are nearly equal let single vectors turn for ever.
    Subspace,
}

/// What was seen of the inputs of one weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Rows that counted.
    pub rows: usize,
    /// The mean of xᵀ·x; [in, in].
    pub second_moment: Option<Vec<f64>>,
    /// The mean of |x|; [in].
    pub magnitude: Option<Vec<f64>>,
    /// The mean of x²; [in].
    pub square: Option<Vec<f64>>,
    /// Directions of largest variance.
    pub principal: Option<Components>,
}

/// Directions of largest variance about the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// Orthonormal rows, the largest entry of each positive; [k, in].
    pub vectors: Vec<f32>,
    /// Singular values of the rows about their mean, descending; [k].
    pub singular_values: Vec<f32>,
    /// The share of the whole variance along each; [k].
    pub explained_variance_ratio: Vec<f64>,
}

/// What was seen at the weights of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// By the path of the weight; weights with the same inputs share theirs.
    pub sites: BTreeMap<String, Arc<Statistics>>,
    /// Batches that were shown.
    pub batches: usize,
    /// Weights whose directions had not converged when the batches were over.
    pub unsettled: usize,
}
