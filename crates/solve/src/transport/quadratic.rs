//! Transport with a quadratic penalty, (ε/2)·‖P‖²: a smooth problem whose plans are sparse.
//!
//!     P_ij = max(f_i + g_j − C_ij, 0) / ε
//!
//! Blondel, Seguy, Rolet 2018; `ot.smooth` of POT with `reg_type='l2'`. The semi-dual (or dual) is maximised by L-BFGS; the
//! objective is its value, which grows to that of the plan. See [`super::sparsity_constrained`] for few entries a column.

use super::smooth::{Form, Objective};
use super::{Plan, Transport};
use crate::check::at_least_one;
use crate::lbfgs::Lbfgs;
use crate::{Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quadratic {
    /// Which function is maximised.
    pub form: Form,
    /// Pairs that L-BFGS remembers.
    pub memory: usize,
}

impl Default for Quadratic {
    fn default() -> Self {
        Self { form: Form::SemiDual, memory: 10 }
    }
}

/// The maximiser at its iterate.
#[derive(Clone, Debug)]
pub struct Ascent(Lbfgs);

impl Quadratic {
    fn objective<'a>(&self, problem: &'a Transport) -> Result<Objective<'a>> {
        let (regularization, nonzeros) = (problem.smoothed()?, problem.source().len());
        Ok(Objective { problem, form: self.form, regularization, nonzeros, supports: None })
    }
}

impl Iterate<Transport> for Quadratic {
    type State = Ascent;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 10_000, tolerance: 1e-6 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<Ascent> {
        at_least_one("memory", self.memory)?;
        let objective = self.objective(problem)?;
        let (x, noise) = (objective.start(from)?, objective.noise());
        let mut function = |x: &[f64], gradient: &mut [f64]| objective.evaluate(x, gradient);
        Ok(Ascent(Lbfgs::new(x, self.memory, objective.regularization, noise, &mut function)))
    }

    fn step(&self, problem: &Transport, Ascent(search): &mut Ascent, _: &Pulse<'_>) -> Result<Step> {
        let objective = self.objective(problem)?;
        let stalled = !search.step(&mut |x, gradient| objective.evaluate(x, gradient));
        let residual = objective.residual(search.gradient());
        Ok(Step { stalled, ..Step::new(-search.value(), residual) })
    }

    fn finish(&self, problem: &Transport, Ascent(search): Ascent) -> Result<Plan> {
        Ok(self.objective(problem)?.plan(search.x()))
    }
}
