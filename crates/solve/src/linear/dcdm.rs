//! DCDM: conjugate directions that a network proposes.
//!
//!     q = f(r/‖r‖)       p = q − Σ_j p_j·(qᵀA·p_j)/(p_jᵀA·p_j)       x += p·(pᵀr)/(pᵀA·p)
//!
//! The sum goes over the last `history` directions, all coefficients from q. Whatever f is, φ(x) = ½·xᵀAx − bᵀx does not grow,
//! because the length of every step is exact; if f is linear, symmetric and positive definite, two directions give conjugate
//! gradients with f as preconditioner. A step costs one call of f, one product with A and 6·history·n. f is a
//! [`Direction`]: [`Dcdm::along`] takes any, a trained network among them; the solver by itself takes the one of `guide`.
//!
//! Paper: [dcdm] algorithm 1. Departures: the residual is carried along, and computed from x only when it has fallen tenfold
//! (the released code computes it every step, for a second product). Where the direction is not finite, its curvature is not
//! above zero, or it is all but orthogonal to the residual, the residual is taken in its place for that step.

use super::position::Position;
use super::precondition::or_identity;
use super::{
    Direction, LinearSystem, Precondition, Unknowns, cg::Cg, cholesky::Cholesky,
    incomplete_cholesky::IncompleteCholesky, jacobi::Jacobi, multigrid::Multigrid, spectral::Spectral,
};
use crate::vectors::{add, dot, norm};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// cos² of the angle between direction and residual from which on a direction is of use. Not the fall of φ: near the solution
/// that is small whatever the direction.
const USEFUL: f64 = 1e-12;
/// Curvature below minus this share of ‖p‖·‖A·p‖ is no rounding.
const CURVED: f64 = 1e-8;

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dcdm {
    /// Directions before that a new one is made conjugate to; 0: none.
    pub history: usize,
    /// What proposes directions where no network does.
    pub guide: Guide,
}

/// A direction without a network: the preconditioner of another solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Guide {
    /// The residual.
    Residual,
    /// The residual over the diagonal.
    Jacobi(Jacobi),
    /// An incomplete Cholesky factor.
    IncompleteCholesky(IncompleteCholesky),
    /// Ritz vectors.
    Spectral(Spectral),
    /// A V-cycle.
    Multigrid(Multigrid),
    /// The exact inverse.
    Cholesky(Cholesky),
}

impl Default for Dcdm {
    /// [dcdm]: two directions.
    fn default() -> Self {
        Self { history: 2, guide: Guide::Spectral(Spectral::default()) }
    }
}

impl Dcdm {
    /// The solver along a direction of the caller's.
    pub fn along(self, direction: &dyn Direction) -> Along<'_> {
        Along { history: self.history, direction }
    }
}

/// [`Dcdm`] along a direction of the caller's.
#[derive(Clone, Copy)]
pub struct Along<'a> {
    history: usize,
    direction: &'a dyn Direction,
}

/// [dcdm]: four orders of magnitude, at most 100 steps.
const STOP: Stop = Stop { steps: 100, tolerance: 1e-4 };

impl Iterate<LinearSystem> for Along<'_> {
    type State = Walk;
    type Solution = Unknowns;

    fn stop(&self) -> Stop {
        STOP
    }

    fn start(&self, problem: &LinearSystem, from: Option<&Unknowns>, _: &Pulse<'_>) -> Result<Walk> {
        Walk::new(problem, from)
    }

    fn step(&self, problem: &LinearSystem, state: &mut Walk, _: &Pulse<'_>) -> Result<Step> {
        state.step(problem, self.direction, self.history)
    }

    fn finish(&self, problem: &LinearSystem, state: Walk) -> Result<Unknowns> {
        state.position.finish(problem, state.replaced)
    }
}

impl Iterate<LinearSystem> for Dcdm {
    type State = (Box<dyn Direction>, Walk);
    type Solution = Unknowns;

    fn stop(&self) -> Stop {
        STOP
    }

    fn start(
        &self,
        problem: &LinearSystem,
        from: Option<&Unknowns>,
        pulse: &Pulse<'_>,
    ) -> Result<Self::State> {
        Ok((or_identity(self.guide.prepare(problem, pulse))?, Walk::new(problem, from)?))
    }

    fn step(
        &self,
        problem: &LinearSystem,
        (direction, walk): &mut Self::State,
        _: &Pulse<'_>,
    ) -> Result<Step> {
        walk.step(problem, &**direction, self.history)
    }

    fn finish(&self, problem: &LinearSystem, (_, walk): Self::State) -> Result<Unknowns> {
        walk.position.finish(problem, walk.replaced)
    }
}

impl Guide {
    fn prepare(&self, problem: &LinearSystem, pulse: &Pulse<'_>) -> Result<Box<dyn Direction>> {
        match self {
            Self::Residual => Cg {}.prepare(problem, pulse),
            Self::Jacobi(jacobi) => jacobi.prepare(problem, pulse),
            Self::IncompleteCholesky(incomplete) => incomplete.prepare(problem, pulse),
            Self::Spectral(spectral) => spectral.prepare(problem, pulse),
            Self::Multigrid(multigrid) => multigrid.prepare(problem, pulse),
            Self::Cholesky(cholesky) => Ok(Box::new(cholesky.factor(problem, pulse)?)),
        }
    }
}

/// Where the loop stands.
#[derive(Clone, Debug)]
pub struct Walk {
    position: Position,
    /// The latest last.
    past: VecDeque<Conjugate>,
    steps: usize,
    replaced: usize,
}

/// A direction that was gone along.
#[derive(Clone, Debug)]
struct Conjugate {
    /// p; [n].
    direction: Vec<f64>,
    /// A·p; [n].
    product: Vec<f64>,
    /// pᵀA·p.
    curvature: f64,
    /// pᵀr.
    slope: f64,
}

impl Walk {
    fn new(problem: &LinearSystem, from: Option<&Unknowns>) -> Result<Self> {
        Ok(Self { position: Position::new(problem, from)?, past: VecDeque::new(), steps: 0, replaced: 0 })
    }

    fn step(&mut self, problem: &LinearSystem, guide: &dyn Direction, history: usize) -> Result<Step> {
        self.steps += 1;
        let length = norm(self.position.residual());
        if length == 0.0 {
            return Ok(self.position.measure());
        }
        let unit: Vec<f64> = self.position.residual().iter().map(|residual| residual / length).collect();
        let mut proposed = vec![0.0; unit.len()];
        guide.propose(&unit, &mut proposed);
        problem.freeze(&mut proposed);
        let mut taken = self.conjugate(problem, proposed);
        self.refuse_negative(&taken)?;
        if !self.useful(&taken) {
            self.replaced += 1;
            taken = self.conjugate(problem, unit);
            self.refuse_negative(&taken)?;
            if !taken.curvature.is_finite() {
                return Ok(self.position.refused());
            }
            if taken.curvature <= 0.0 {
                return Err(Error::Curvature { step: self.steps, value: taken.curvature });
            }
        }
        let length = taken.slope / taken.curvature;
        let step = self.position.advance(problem, length, &taken.direction, &taken.product);
        self.past.push_back(taken);
        self.past.drain(..self.past.len().saturating_sub(history));
        Ok(step)
    }

    /// A proposal made conjugate to the past.
    fn conjugate(&mut self, problem: &LinearSystem, proposed: Vec<f64>) -> Conjugate {
        let along = |past: &Conjugate| dot(&proposed, &past.product) / past.curvature;
        let shares: Vec<f64> = self.past.iter().map(along).collect();
        let mut direction = proposed;
        for (past, share) in self.past.iter().zip(shares) {
            add(&mut direction, -share, &past.direction);
        }
        let mut product = vec![0.0; direction.len()];
        self.position.product(problem, &direction, &mut product);
        let curvature = dot(&direction, &product);
        let slope = dot(&direction, self.position.residual());
        Conjugate { direction, product, curvature, slope }
    }

    /// Whether a direction can be gone along and leads anywhere.
    fn useful(&self, taken: &Conjugate) -> bool {
        let (residual, direction) = (self.position.residual(), &taken.direction);
        let lengths = dot(residual, residual) * dot(direction, direction);
        let finite = taken.curvature.is_finite() && lengths.is_finite();
        finite && 0.0 < taken.curvature && USEFUL * lengths < taken.slope * taken.slope
    }

    /// Curvature that is clearly negative proves that the matrix is not positive definite.
    fn refuse_negative(&self, taken: &Conjugate) -> Result<()> {
        let lengths = norm(&taken.direction) * norm(&taken.product);
        if taken.curvature < -CURVED * lengths {
            let value = taken.curvature / dot(&taken.direction, &taken.direction);
            return Err(Error::Curvature { step: self.steps, value });
        }
        Ok(())
    }
}
