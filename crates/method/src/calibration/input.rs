//! What a weight was applied to in a forward pass, as rows.

use crate::Result;
use rankine_nn::weight::Patches;
use rankine_tensor::Tensor;

pub(super) enum Input {
    /// Of a matrix; [t, in].
    Rows(Tensor),
    /// Of a convolution.
    Patches(Patches),
}

impl Input {
    /// Numbers of a row.
    pub fn columns(&self) -> Option<usize> {
        match self {
            Self::Rows(x) => x.shape().last().copied(),
            Self::Patches(patches) => Some(patches.columns()),
        }
    }

    /// The rows; [t, columns].
    pub fn rows(&self) -> Result<Tensor> {
        Ok(match self {
            Self::Rows(x) => x.clone(),
            Self::Patches(patches) => patches.rows()?,
        })
    }

    pub fn is_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rows(a), Self::Rows(b)) => a.is_equal(b),
            (Self::Patches(a), Self::Patches(b)) => a.is_equal(b),
            _ => false,
        }
    }
}
