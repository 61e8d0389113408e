//! Which products of functions of one variable span a space in several.

use serde::{Deserialize, Serialize};

/// Which products are taken, by the orders of their factors: degrees, or frequencies. In one dimension all are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// Π (order + 1) ≤ level, the hyperbolic cross: much of what smooth functions need, with few functions.
    #[default]
    Cross,
    /// Σ order < level: all polynomials of a total degree below it.
    Total,
    /// Every order < level: as many functions as in one dimension, to the power of the dimensions.
    Tensor,
}

impl Span {
    /// The orders below this may follow a factor of such an order, where those below `left` might be it.
    pub(super) fn left(self, left: usize, order: usize) -> usize {
        match self {
            Self::Cross => left / (order + 1),
            Self::Total => left - order,
            Self::Tensor => left,
        }
    }
}
