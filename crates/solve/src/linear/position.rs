//! Where an iteration stands: x and its residual.

use super::problem::{LinearSystem, Unknowns, fits};
use crate::vectors::{add, dot, norm};
use crate::{Result, Step};

/// The residual is computed from x when it has fallen by this factor since it last was.
const CHECKED: f64 = 0.1;
/// What rounding may do to φ, relative to it.
const ROUNDING: f64 = 1e-10;
/// How much larger a residual may be where φ is smaller: along conjugate directions φ falls whatever the residual does, which grows
/// by √κ at most without rounding, and by far more where rounding has taken over.
const GROWTH: f64 = 1e12;

/// x and r = b − A·x, all divided by the largest |b|, so that no b is too large or too small.
///
/// The x of the least residual is kept where it is left, and is the solution unless φ is smaller at the last one.
#[derive(Clone, Debug)]
pub struct Position {
    scale: f64,
    /// b; [n].
    rhs: Vec<f64>,
    /// ‖b‖, or 1 where b is zero.
    length: f64,
    /// [n].
    x: Vec<f64>,
    /// [n].
    residual: Vec<f64>,
    /// ‖r‖ when it was last computed from x.
    checked: f64,
    /// Objective and residual at x.
    measured: [f64; 2],
    /// The x of the least residual, where that is not this one, with its own.
    left: Option<([f64; 2], Vec<f64>)>,
    products: usize,
}

impl Position {
    /// At zero, or at the solution of a problem alike.
    pub(super) fn new(problem: &LinearSystem, from: Option<&Unknowns>) -> Result<Self> {
        let size = problem.rhs().len();
        let largest = problem.rhs().iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let rhs: Vec<f64> = problem.rhs().iter().map(|value| value / scale).collect();
        let length = if largest > 0.0 { norm(&rhs) } else { 1.0 };
        let (x, residual) = (vec![0.0; size], rhs.clone());
        let (measured, left, checked) = ([0.0, f64::INFINITY], None, length);
        let mut position = Self { scale, rhs, length, x, residual, checked, measured, left, products: 0 };
        if let Some(from) = from {
            fits("the start", &from.x, size)?;
            position.x = from.x.iter().map(|value| value / scale).collect();
            problem.freeze(&mut position.x);
            position.refresh(problem);
        }
        let Step { objective, residual, .. } = position.measure();
        position.measured = [objective, residual];
        Ok(position)
    }

    /// r; [n].
    pub(super) fn residual(&self) -> &[f64] {
        &self.residual
    }

    /// product = A·x, counted.
    pub(super) fn product(&mut self, problem: &LinearSystem, x: &[f64], product: &mut [f64]) {
        self.products += 1;
        problem.operator().apply(x, product);
    }

    /// x += length·direction; product: A·direction. Stalled where the residual that is carried along has fallen tenfold,
    /// but not the one of x.
    pub(super) fn advance(
        &mut self,
        problem: &LinearSystem,
        length: f64,
        direction: &[f64],
        product: &[f64],
    ) -> Step {
        add(&mut self.residual, -length, product);
        let carried = norm(&self.residual);
        let check = carried <= CHECKED * self.checked;
        if check || self.measured[1] * self.length < carried {
            self.keep();
        }
        add(&mut self.x, length, direction);
        let before = self.checked;
        if check {
            self.refresh(problem);
        }
        self.arrive(problem, check && 0.5 * before < self.checked)
    }

    /// x += A⁻¹·r, which rounding leaves something of. Stalled where the residual has not halved.
    pub(super) fn refine(&mut self, problem: &LinearSystem, correction: &[f64]) -> Step {
        if !correction.iter().all(|value| value.is_finite()) {
            return self.refused();
        }
        let before = norm(&self.residual);
        self.keep();
        add(&mut self.x, 1.0, correction);
        self.refresh(problem);
        self.arrive(problem, 0.5 * before < self.checked)
    }

    /// Has no direction to go.
    pub(super) fn stay(&mut self, problem: &LinearSystem) -> Step {
        self.arrive(problem, true)
    }

    /// Keeps x before it is left.
    fn keep(&mut self) {
        if self.left.is_none() {
            self.left = Some((self.measured, self.x.clone()));
        }
    }

    /// Measures at x, and where this is the end at the best x.
    fn arrive(&mut self, problem: &LinearSystem, stalled: bool) -> Step {
        let step = self.measure();
        self.measured = [step.objective, step.residual];
        self.left.take_if(|(left, _)| step.residual <= left[1]);
        let least = self.left.as_ref().map_or(step.residual, |(left, _)| left[1]);
        let grown = GROWTH * least < step.residual && self.kept().is_some();
        let stalled = stalled || !step.residual.is_finite() || grown;
        if stalled {
            self.settle();
            self.refresh(problem);
            let Step { objective, residual, .. } = self.measure();
            self.measured = [objective, residual];
        }
        Step { stalled, best: Some(self.best()), ..step }
    }

    /// Objective and residual of the best x.
    fn best(&self) -> [f64; 2] {
        self.kept().map_or(self.measured, |(kept, _)| *kept)
    }

    /// What is kept, where it is better than x.
    fn kept(&self) -> Option<&([f64; 2], Vec<f64>)> {
        let [objective, residual] = self.measured;
        self.left.as_ref().filter(|([kept, least], _)| {
            let falls = objective < kept - ROUNDING * kept.abs();
            !(falls && residual <= GROWTH * least)
        })
    }

    /// Goes to the best x.
    fn settle(&mut self) {
        if self.kept().is_some()
            && let Some((_, x)) = self.left.take()
        {
            self.x = x;
        }
    }

    /// φ(x) = ½·xᵀ·A·x − bᵀ·x = −½·xᵀ·(b + r), and ‖r‖ / ‖b‖.
    pub(super) fn measure(&self) -> Step {
        let objective = -0.5 * (dot(&self.x, &self.rhs) + dot(&self.x, &self.residual));
        Step::new(objective * self.scale * self.scale, norm(&self.residual) / self.length)
    }

    /// A step that was not made, because it would not have been finite.
    pub(super) fn refused(&self) -> Step {
        Step { residual: f64::NAN, best: Some(self.best()), ..self.measure() }
    }

    /// The solution with its true residual.
    pub(super) fn finish(mut self, problem: &LinearSystem, replaced: usize) -> Result<Unknowns> {
        self.settle();
        self.refresh(problem);
        let residual = self.measure().residual;
        let x: Vec<f64> = self.x.into_iter().map(|value| value * self.scale).collect();
        fits("the solution", &x, problem.rhs().len())?;
        Ok(Unknowns { x, residual, products: self.products, replaced })
    }

    fn refresh(&mut self, problem: &LinearSystem) {
        self.products += 1;
        problem.operator().apply(&self.x, &mut self.residual);
        self.residual.iter_mut().zip(&self.rhs).for_each(|(residual, rhs)| *residual = rhs - *residual);
        self.checked = norm(&self.residual);
    }
}
