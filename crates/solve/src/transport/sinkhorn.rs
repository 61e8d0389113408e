//! Sinkhorn's alternate scaling, in the log domain.
//!
//!     P_ij = exp((f_i + g_j − C_ij) / ε)
//!     f_i ← ε·log a_i − ε·LSE_j((g_j − C_ij) / ε)      g_j ← ε·log b_j − ε·LSE_i((f_i − C_ij) / ε)
//!
//! A step is both; it takes one exponential an entry (`entropic`). No ε makes it overflow. The objective is the dual,
//! Σ a·f + Σ b·g − ε·Σ P, which grows. A row or column without mass has the potential −∞. Memory: the cost, O(n + m), and at
//! the end the plan.

use super::entropic::Potentials;
use super::{Plan, Transport};
use crate::{Iterate, Pulse, Result, Step, Stop};
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

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<Potentials> {
        let mut state = Potentials::new(problem, from)?;
        state.scale_columns(problem);
        Ok(state)
    }

    fn step(&self, problem: &Transport, state: &mut Potentials, _: &Pulse<'_>) -> Result<Step> {
        state.scale_rows(problem);
        state.scale_columns(problem);
        Ok(Step::new(state.dual(problem).0, state.residual(problem)))
    }

    fn finish(&self, problem: &Transport, state: Potentials) -> Result<Plan> {
        Ok(state.plan(problem))
    }
}
