//! Where an iteration stands: x and its residual.

use super::problem::{LinearSystem, Unknowns, fits};
use crate::vectors::{add, dot, norm};
use crate::{Result, Step};

/// The residual is computed from x when it has fallen by this factor since it last was.
const CHECKED: f64 = 0.1;

/// x and r = b − A·x, all divided by the largest |b|, so that no b is too large or too small.
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
        let mut position = Self { scale, rhs, length, x, residual, checked: length, products: 0 };
        if let Some(from) = from {
            fits("the start", &from.x, size)?;
            position.x = from.x.iter().map(|value| value / scale).collect();
            problem.freeze(&mut position.x);
            position.refresh(problem);
        }
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
        add(&mut self.x, length, direction);
        add(&mut self.residual, -length, product);
        let mut stalled = false;
        if norm(&self.residual) <= CHECKED * self.checked {
            let before = self.checked;
            self.refresh(problem);
            stalled = self.checked > 0.5 * before;
        }
        Step { stalled, ..self.measure() }
    }

    /// φ(x) = ½·xᵀ·A·x − bᵀ·x = −½·xᵀ·(b + r), and ‖r‖ / ‖b‖.
    pub(super) fn measure(&self) -> Step {
        let objective = -0.5 * (dot(&self.x, &self.rhs) + dot(&self.x, &self.residual));
        Step::new(objective * self.scale * self.scale, norm(&self.residual) / self.length)
    }

    /// A step that was not made, because it would not have been finite.
    pub(super) fn refused(&self) -> Step {
        Step { residual: f64::NAN, ..self.measure() }
    }

    /// The solution with its true residual.
    pub(super) fn finish(mut self, problem: &LinearSystem, replaced: usize) -> Result<Unknowns> {
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
