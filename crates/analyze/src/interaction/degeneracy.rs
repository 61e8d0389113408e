//! Directions of a weight along which nothing changes.
//!
//! Every row of the Jacobian by a map [out, in] is gradient ⊗ activation, so that its rank is at most rank(f)·rank(∂y/∂pre). With
//! a bias the map has one input more, which is always 1.

use super::Map;

/// How many eigenvalues are above this share of the largest.
pub fn rank(eigenvalues: &[f64], tolerance: f64) -> usize {
    let largest = eigenvalues.iter().fold(0.0, |most: f64, value| most.max(*value));
    eigenvalues.iter().filter(|value| tolerance * largest < **value).count()
}

/// What of a map does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degeneracy {
    /// The map.
    pub name: String,
    /// Its weights, those of the bias with them.
    pub parameters: usize,
    /// Rank of what it reads, with the 1 of the bias.
    pub activation_rank: usize,
    /// Rank of the gradients that it gets.
    pub gradient_rank: usize,
}

impl Degeneracy {
    /// Of a map from `width` numbers; `None` of a convolution. `ranks` are those of the activations about 0 and about their mean.
    pub(super) fn new(map: &Map, width: usize, ranks: [usize; 2], gradient_rank: usize) -> Option<Self> {
        let outputs = map.outputs?;
        let (inputs, activation_rank) = if map.bias { (width + 1, ranks[1] + 1) } else { (width, ranks[0]) };
        Some(Self { name: map.name.clone(), parameters: inputs * outputs, activation_rank, gradient_rank })
    }

    /// Directions that do something, at most.
    pub fn effective(&self) -> usize {
        self.activation_rank * self.gradient_rank
    }

    /// Directions that do nothing, at least.
    pub fn free(&self) -> usize {
        self.parameters.saturating_sub(self.effective())
    }
}
