//! Conjugate gradients.
//!
//! Without a preconditioner; some √κ·log(1/tolerance)/2 steps, κ: condition number. A step costs one product with A.

use super::{Direction, Identity, LinearSystem, Precondition};
use crate::{Pulse, Result};
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cg {}

impl Precondition for Cg {
    fn prepare(&self, _: &LinearSystem, _: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        Ok(Box::new(Identity))
    }
}
