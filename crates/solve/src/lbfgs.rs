//! Limited-memory BFGS with a line search for the strong Wolfe conditions.
//!
//!     d = −H·∇φ      φ(x + t·d) ≤ φ(x) + c₁·t·dᵀ∇φ      |dᵀ∇φ(x + t·d)| ≤ c₂·|dᵀ∇φ|
//!
//! H comes from the last `memory` pairs of steps and changes of the gradient (Nocedal and Wright, algorithms 7.4, 3.5 and
//! 3.6). Near a minimum, where differences of φ are rounding, the slope alone decides: approximate Wolfe conditions (Hager
//! and Zhang 2005). A search that fails starts anew from the gradient; one that fails there has stalled.

use crate::vectors::{add, dot};
use std::collections::VecDeque;

/// Value of φ at x, whose gradient is written to the second argument.
pub(crate) type Function<'a> = dyn FnMut(&[f64], &mut [f64]) -> f64 + 'a;

/// Share of the expected decrease that a step must reach: c₁.
const DECREASE: f64 = 1e-4;
/// Share of the slope that may be left after a step: c₂.
const CURVATURE: f64 = 0.9;
/// Evaluations of one search at most.
const TRIALS: usize = 30;
/// How much longer the next trial is while the slope still falls.
const STRETCH: f64 = 4.0;
/// Part of an interval that a trial stays away from its ends.
const MARGIN: f64 = 0.1;

/// The minimiser at an iterate.
#[derive(Clone, Debug)]
pub(crate) struct Lbfgs {
    memory: usize,
    /// Length of the first step over the gradient.
    scale: f64,
    /// Differences of φ that are put down to rounding.
    noise: f64,
    point: Point,
    pairs: VecDeque<Pair>,
}

/// x with φ and its gradient there.
#[derive(Clone, Debug)]
struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A step s and the change y of the gradient over it.
#[derive(Clone, Debug)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// A point of the search: how far along, φ, the slope.
#[derive(Clone, Copy, Debug)]
struct Trial {
    along: f64,
    value: f64,
    slope: f64,
}

impl Lbfgs {
    /// At x; `scale` is the length of the first step over the gradient, `noise` the rounding error of φ.
    pub fn new(x: Vec<f64>, memory: usize, scale: f64, noise: f64, function: &mut Function<'_>) -> Self {
        Self { memory, scale, noise, point: Point::at(x, function), pairs: VecDeque::new() }
    }

    /// x.
    pub fn x(&self) -> &[f64] {
        &self.point.x
    }

    /// φ(x).
    pub fn value(&self) -> f64 {
        self.point.value
    }

    /// ∇φ(x).
    pub fn gradient(&self) -> &[f64] {
        &self.point.gradient
    }

    /// One step; false where no step makes φ less.
    pub fn step(&mut self, function: &mut Function<'_>) -> bool {
        loop {
            let mut direction = self.direction();
            let mut slope = dot(&direction, &self.point.gradient);
            if !(slope < 0.0 && slope.is_finite()) {
                self.pairs.clear();
                direction = self.direction();
                slope = dot(&direction, &self.point.gradient);
            }
            if !(slope < 0.0 && slope.is_finite()) {
                return false;
            }
            if let Some(next) = self.search(&direction, slope, function) {
                self.remember(&next);
                self.point = next;
                return true;
            }
            if self.pairs.is_empty() {
                return false;
            }
            self.pairs.clear();
        }
    }

    /// −H·∇φ.
    fn direction(&self) -> Vec<f64> {
        let mut direction: Vec<f64> = self.point.gradient.iter().map(|gradient| -gradient).collect();
        let mut weights = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let weight = dot(&pair.step, &direction) / pair.product;
            add(&mut direction, -weight, &pair.change);
            weights.push(weight);
        }
        let scale = match self.pairs.back() {
            Some(pair) => pair.product / dot(&pair.change, &pair.change),
            None => self.scale,
        };
        direction.iter_mut().for_each(|entry| *entry *= scale);
        for (pair, weight) in self.pairs.iter().zip(weights.into_iter().rev()) {
            let correction = dot(&pair.change, &direction) / pair.product;
            add(&mut direction, weight - correction, &pair.step);
        }
        direction
    }

    fn remember(&mut self, next: &Point) {
        let step: Vec<f64> = difference(&next.x, &self.point.x);
        let change: Vec<f64> = difference(&next.gradient, &self.point.gradient);
        let product = dot(&step, &change);
        if product > f64::EPSILON * dot(&step, &step).sqrt() * dot(&change, &change).sqrt() {
            self.pairs.push_back(Pair { step, change, product });
            if self.pairs.len() > self.memory {
                self.pairs.pop_front();
            }
        }
    }

    /// A point along the direction that meets the conditions; else the lowest that was found below the start.
    fn search(&self, direction: &[f64], slope: f64, function: &mut Function<'_>) -> Option<Point> {
        let start = Trial { along: 0.0, value: self.point.value, slope };
        let (mut low, mut high, mut along) = (start, None::<Trial>, 1.0);
        let mut best: Option<Point> = None;
        for _ in 0..TRIALS {
            let mut x = self.point.x.clone();
            add(&mut x, along, direction);
            let point = Point::at(x, function);
            let trial = Trial { along, value: point.value, slope: dot(direction, &point.gradient) };
            if !(trial.value.is_finite() && trial.slope.is_finite()) {
                high = Some(Trial { value: f64::INFINITY, ..trial });
                along = (low.along + along) / 2.0;
                continue;
            }
            if self.accepts(&start, &trial) {
                return Some(point);
            }
            let too_high = trial.value > start.value + self.noise + DECREASE * along * slope
                || trial.value > low.value + self.noise;
            if too_high {
                high = Some(trial);
            } else {
                let ahead = high.map_or(1.0, |high| high.along - low.along);
                if trial.slope * ahead >= 0.0 {
                    high = Some(low);
                }
                low = trial;
                if trial.value < start.value {
                    best = Some(point);
                }
            }
            along = match high {
                Some(high) => between(&low, &high),
                None => STRETCH * along,
            };
            if along == low.along {
                break;
            }
        }
        best
    }

    /// The strong Wolfe conditions, or the approximate ones where φ has hardly changed.
    fn accepts(&self, start: &Trial, trial: &Trial) -> bool {
        let falls = trial.value <= start.value + DECREASE * trial.along * start.slope;
        let flat = trial.slope.abs() <= -CURVATURE * start.slope;
        let near = trial.value <= start.value + self.noise;
        (falls || near && trial.slope <= (2.0 * DECREASE - 1.0) * start.slope) && flat
    }
}

impl Point {
    fn at(x: Vec<f64>, function: &mut Function<'_>) -> Self {
        let mut gradient = vec![0.0; x.len()];
        let value = function(&x, &mut gradient);
        Self { x, value, gradient }
    }
}

/// Minimum of the cubic through two trials, kept away from both; the middle where there is none.
fn between(low: &Trial, high: &Trial) -> f64 {
    let width = high.along - low.along;
    let middle = low.along + width / 2.0;
    if !high.value.is_finite() {
        return middle;
    }
    let secant = low.slope + high.slope - 3.0 * (high.value - low.value) / width;
    let root = (secant * secant - low.slope * high.slope).sqrt().copysign(width);
    let found = high.along - width * (high.slope + root - secant) / (high.slope - low.slope + 2.0 * root);
    let (near, far) = (low.along + MARGIN * width, high.along - MARGIN * width);
    if found.is_finite() { found.clamp(near.min(far), near.max(far)) } else { middle }
}

fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| left - right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley in pairs of variables.
    fn valley(x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for (x, gradient) in x.chunks_exact(2).zip(gradient.chunks_exact_mut(2)) {
            let (across, along) = (x[1] - x[0] * x[0], 1.0 - x[0]);
            value += 100.0 * across * across + along * along;
            gradient[0] = -400.0 * across * x[0] - 2.0 * along;
            gradient[1] = 200.0 * across;
        }
        value
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let mut search = Lbfgs::new(vec![-1.2, 1.0, 2.0, -3.0], 10, 1e-3, 0.0, &mut valley);
        let steps = (0..200).take_while(|_| search.step(&mut valley)).count();
        assert!(search.x().iter().all(|x| (x - 1.0).abs() < 1e-7), "{steps} steps to {:?}", search.x());
        assert!(steps < 120, "{steps}");
    }

    #[test]
    fn every_step_goes_down() {
        let mut quartic = |x: &[f64], gradient: &mut [f64]| {
            gradient
                .iter_mut()
                .zip(x)
                .for_each(|(gradient, x)| *gradient = 4.0 * x.powi(3) + 2.0 * (x - 1.0));
            x.iter().map(|x| x.powi(4) + (x - 1.0).powi(2)).sum()
        };
        let mut search = Lbfgs::new(vec![9.0, -4.0, 0.5], 5, 1e-2, 1e-15, &mut quartic);
        let mut last = search.value();
        for _ in 0..100 {
            let moved = search.step(&mut quartic);
            assert!(search.value() <= last + 1e-15);
            last = search.value();
            if !moved {
                break;
            }
        }
        assert!(search.gradient().iter().all(|slope| slope.abs() < 1e-9), "{:?}", search.gradient());
    }

    #[test]
    fn a_corner_stalls_instead_of_going_on_for_ever() {
        let mut corner = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = x[0].signum();
            x[0].abs()
        };
        let mut search = Lbfgs::new(vec![1.0], 5, 0.3, 0.0, &mut corner);
        let steps = (0..1000).take_while(|_| search.step(&mut corner)).count();
        assert!(steps < 1000 && search.x()[0].abs() < 1e-6, "{steps} {:?}", search.x());
    }
}
