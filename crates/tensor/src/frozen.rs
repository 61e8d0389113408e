//! An array that is never trained, in f32 or in the type of its file.

use crate::{Result, Tensor};
use rankine_kernels::stored::Stored;
use std::sync::Arc;

/// A constant: an f32 tensor of any rank, or a matrix that stays stored as it is and is widened where it is used.
#[derive(Clone, Debug)]
pub enum Frozen {
    /// In f32.
    Wide(Tensor),
    /// In a storage type.
    Stored(Arc<Stored>),
}

impl From<Tensor> for Frozen {
    fn from(tensor: Tensor) -> Self {
        Self::Wide(tensor)
    }
}

impl From<Stored> for Frozen {
    fn from(stored: Stored) -> Self {
        Self::Stored(Arc::new(stored))
    }
}

impl Frozen {
    /// Row-major shape.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Wide(tensor) => tensor.shape(),
            Self::Stored(stored) => stored.shape().to_vec(),
        }
    }

    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Wide(tensor) => 4 * tensor.elements(),
            Self::Stored(stored) => stored.bytes(),
        }
    }

    /// All numbers in f32; a stored matrix is widened as a whole.
    pub fn tensor(&self) -> Tensor {
        match self {
            Self::Wide(tensor) => tensor.clone(),
            Self::Stored(stored) => {
                let [rows, columns] = stored.shape();
                let mut values = vec![0.0; rows * columns];
                stored.widen(0..rows, &mut values);
                Tensor::constant(values, &[rows, columns])
            }
        }
    }

    /// Rows and columns of a matrix; an error for other ranks.
    pub fn matrix(&self, operation: &'static str) -> Result<[usize; 2]> {
        match self {
            Self::Wide(tensor) => tensor.matrix(operation),
            Self::Stored(stored) => Ok(stored.shape()),
        }
    }
}
