//! Transport with at most k entries a column and a squared penalty.
//!
//!     minimise ⟨C, P⟩ + (ε/2)·‖P‖²     subject to P ≥ 0, P·1 = a, Pᵀ·1 = b, ‖P_j‖₀ ≤ k for every column j
//!     S(f) = a·f − Σ_j max {(f − C_j)·t − (ε/2)·‖t‖² : t ∈ b_j · simplex, ‖t‖₀ ≤ k},     ∇S = a − P·1
//!
//! The inner maximum is a projection on the simplex of the k largest entries of (f − C_j) / ε, so P has k entries a column by
//! construction and S is concave; its maximum is that of the convex relaxation. k = 1 is exact transport, whose potentials
//! the network simplex finds; k ≥ n is the quadratic penalty. Paper: [sparsity_constrained] §4.
//!
//! Stages: ε falls to its value from one so large that S is smooth; every step is measured at the ε of the problem; from a
//! plan there are none, and one of `exact` is a good start where ε is small. Mending:
//! S has corners where the k-th and the next entry tie, and at such a maximum any choice between them misses the row sums.
//! When S no longer grows, the k best rows of every column are kept and the plan on them is sought, which is smooth again;
//! if no plan meets the row sums there (its dual passes what any plan can cost), rows are taken from an exact plan first and
//! filled up by the best. The objective is then the dual of that plan, not below S. If that fails too, the solver has
//! stalled and returns whichever of the three has the least residual: k may be too small for these masses, which cannot be
//! told in general.
//!
//! Departure: mending is not in the paper; POT returns the plan of arbitrary choices between ties.

mod ascent;
mod search;

use super::smooth::{Form, Objective};
use super::{Plan, Transport, exact};
use crate::check::{at_least_one, positive};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
pub use ascent::Ascent;
pub use search::{Adam, Gradient, LimitedMemory, Method};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SparsityConstrained {
    /// Entries of a column above 0 at most: k. As many as there are rows, or more, is no constraint.
    pub max_nonzeros: usize,
    /// Which function is maximised.
    pub form: Form,
    /// How it is maximised.
    pub method: Method,
    /// Larger penalties before that of the problem, each 0.3 times the one before.
    pub stages: usize,
}

impl Default for SparsityConstrained {
    fn default() -> Self {
        Self { max_nonzeros: 8, form: Form::SemiDual, method: Method::default(), stages: 4 }
    }
}

impl SparsityConstrained {
    /// The function at the problem's penalty, without supports.
    fn objective<'a>(&self, problem: &'a Transport) -> Result<Objective<'a>> {
        let (nonzeros, regularization) = (self.max_nonzeros, problem.smoothed()?);
        Ok(Objective { problem, form: self.form, regularization, nonzeros, supports: None })
    }

    /// Whether the settings fit the problem.
    fn check(&self, problem: &Transport) -> Result<()> {
        let occupied = |masses: &[f64]| masses.iter().filter(|&&mass| mass > 0.0).count();
        let least = occupied(problem.source()).div_ceil(occupied(problem.target()));
        if self.max_nonzeros < least {
            let (name, found, most) = ("max_nonzeros", self.max_nonzeros, problem.source().len());
            return Err(Error::Fit { name, found, least, most });
        }
        let (rate, batch) = match self.method {
            Method::Lbfgs(LimitedMemory { memory }) => return at_least_one("memory", memory),
            Method::Gradient(Gradient { rate, batch, .. }) => (rate, batch),
            Method::Adam(Adam { rate, batch, .. }) => (rate, batch),
        };
        positive("rate", rate)?;
        at_least_one("batch", batch)
    }

    /// The maximum of the semi-dual where one entry a column is allowed.
    fn single(&self, problem: &Transport, pulse: &Pulse<'_>) -> Result<Plan> {
        let exact = exact::plan(problem, None, pulse)?;
        let semi_dual = Objective { form: Form::SemiDual, ..self.objective(problem)? };
        Ok(semi_dual.plan(&exact.source_potential))
    }
}

impl Iterate<Transport> for SparsityConstrained {
    type State = Ascent;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 10_000, tolerance: 1e-6 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, pulse: &Pulse<'_>) -> Result<Ascent> {
        self.check(problem)?;
        let target = self.objective(problem)?;
        let single = match from {
            None if self.max_nonzeros == 1 => Some(self.single(problem, pulse)?),
            _ => None,
        };
        let from = from.or(single.as_ref());
        let stages = if from.is_some() { 0 } else { self.stages };
        Ok(Ascent::new(&self.method, &target, target.start(from)?, stages))
    }

    fn step(&self, problem: &Transport, state: &mut Ascent, pulse: &Pulse<'_>) -> Result<Step> {
        state.step(&self.method, &self.objective(problem)?, pulse)
    }

    fn finish(&self, problem: &Transport, state: Ascent) -> Result<Plan> {
        Ok(state.plan(&self.objective(problem)?))
    }
}
