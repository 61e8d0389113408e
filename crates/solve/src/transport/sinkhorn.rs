//! Sinkhorn's alternate scaling, in the log domain.
//!
//!     P_ij = exp((f_i + g_j − C_ij) / ε)
//!     f_i ← ε·log a_i − ε·LSE_j((g_j − C_ij) / ε)      g_j ← ε·log b_j − ε·LSE_i((f_i − C_ij) / ε)
//!
//! The largest exponent is taken out of every sum, so no ε makes it overflow. The objective is the dual, Σ a·f + Σ b·g − ε·Σ P,
//! which grows. A row or column without mass has the potential −∞.

use super::entropic::Potentials;
use super::{Plan, Transport};
use crate::{Iterate, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sinkhorn {}

impl Iterate<Transport> for Sinkhorn {
    type State = Potentials;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 10_000, tolerance: 1e-9 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>) -> Result<Potentials> {
        Potentials::new(problem, from)
    }

    fn step(&self, problem: &Transport, state: &mut Potentials) -> Result<Step> {
        state.scale_rows(problem);
        state.scale_columns(problem);
        let (objective, residual) = state.measure(problem);
        Ok(Step::new(objective, residual))
    }

    fn finish(&self, problem: &Transport, state: Potentials) -> Result<Plan> {
        Ok(state.plan(problem))
    }
}
