//! Conjugate gradients, preconditioned by the diagonal.
//!
//!     z_i = r_i / a_ii

use super::{Direction, LinearSystem, Precondition};
use crate::{Error, Pulse, Result};
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jacobi {}

impl Precondition for Jacobi {
    fn prepare(&self, problem: &LinearSystem, _: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        let diagonal =
            problem.operator().diagonal().ok_or(Error::Lacks { what: "the diagonal of the matrix" })?;
        let invert = |value: f64| if value > 0.0 { value.recip() } else { 0.0 };
        Ok(Box::new(Scaling(diagonal.into_iter().map(invert).collect())))
    }
}

/// 1 / a_ii, 0 where the row is empty; [n].
struct Scaling(Vec<f64>);

impl Direction for Scaling {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        let scaled = residual.iter().zip(&self.0).map(|(residual, factor)| residual * factor);
        direction.iter_mut().zip(scaled).for_each(|(direction, scaled)| *direction = scaled);
    }
}
