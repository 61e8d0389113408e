//! What is wrong with a model whose weights are stored as factors.

use crate::WrongValue;

/// Why a model with thin layers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not say which layers are thin.
    #[error("a thin model without `rankine_thin.ranks`, which says of which weights the factors are stored")]
    NoRanks,
    /// A key holds something else than it should.
    #[error(transparent)]
    Value(#[from] WrongValue),
    /// A factor that is not in the file.
    #[error("`{name}` is stored as two factors, and `{factor}` is missing")]
    NoFactor {
        /// The tensor that is their product.
        name: String,
        /// The factor.
        factor: String,
    },
    /// A weight that is there as factors and whole.
    #[error("`{name}` is said to be stored as two factors, and is there whole")]
    Whole {
        /// The tensor.
        name: String,
    },
    /// Factors that have no product, or are no floating-point numbers.
    #[error(
        "the factors of `{name}` should be [rows, {rank}] and [{rank}, …] of floats; found {:?} and {:?}",
        found[0], found[1]
    )]
    Shapes {
        /// The tensor that is their product.
        name: String,
        /// The rank that `config.json` says.
        rank: usize,
        /// Shapes of the left and the right factor; boxed, to keep errors small.
        found: Box<[Vec<usize>; 2]>,
    },
    /// A product that is too large for the machine.
    #[error("`{name}`: a product of shape {shape:?} is too large")]
    Size {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some("`config.json` and the weights are not of one model: write or copy the folder again".to_owned())
    }
}
