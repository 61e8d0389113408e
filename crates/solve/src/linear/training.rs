//! What a network learns to propose directions from: samples, and the loss with its gradient.
//!
//!     b = Σ_j w_j·c_j·v_j / ‖·‖,   c_j ~ N(0, 1),   w_j = 9 for the first m/2 + θ Ritz vectors, 1 beyond
//!     L(q) = ‖r − c·A·q‖²,   c = qᵀr / qᵀA·q
//!     dL/dq = −2·((e·A·q)/t·(r − 2·c·A·q) + c·A·e),   e = r − c·A·q,   t = qᵀA·q
//!
//! L does not depend on the length of q. c is the length that φ asks for, so L may be above ‖r‖². No solution is needed.
//! Source: [dcdm] §4.

use super::LinearSystem;
use super::lanczos::Ritz;
use super::vectors::{add, dot, norm};
use faer::{ColMut, ColRef, Par, linalg::matmul::matmul};
use rankine_random::Rng;

/// How often samples take a slow mode.
const FACTOR: f64 = 9.0;

impl Ritz {
    /// A vector of length 1, rich in slow modes; [n]. extra: θ, modes beyond half of them that count as slow.
    pub fn sample(&self, extra: usize, rng: &mut Rng) -> Vec<f64> {
        let slow = self.values.len() / 2 + extra;
        let weight = |index| if index < slow { FACTOR } else { 1.0 };
        let weights: Vec<f64> =
            (0..self.values.len()).map(|index| weight(index) * rng.normal_f64()).collect();
        let mut sample = vec![0.0; self.vectors.nrows()];
        let target = ColMut::from_slice_mut(&mut sample).as_mat_mut();
        let weights = ColRef::from_slice(&weights).as_mat();
        matmul(target, faer::Accum::Replace, self.vectors.as_ref(), weights, 1.0, Par::Seq);
        let length = norm(&sample);
        sample.iter_mut().for_each(|value| *value /= length);
        sample
    }
}

/// What one step along a direction leaves of a residual.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// L.
    pub loss: f64,
    /// dL/dq; [n].
    pub gradient: Vec<f64>,
}

impl Misfit {
    /// The misfit of a direction q for a residual r of the problem's matrix. A direction without positive curvature leaves
    /// the residual, and has the gradient zero.
    pub fn new(problem: &LinearSystem, residual: &[f64], direction: &[f64]) -> Self {
        let mut product = vec![0.0; direction.len()];
        problem.operator().apply(direction, &mut product);
        let curvature = dot(direction, &product);
        if curvature.is_nan() || curvature <= 0.0 {
            return Self { loss: dot(residual, residual), gradient: vec![0.0; direction.len()] };
        }
        let length = dot(direction, residual) / curvature;
        let mut left = residual.to_vec();
        add(&mut left, -length, &product);
        let weight = dot(&left, &product) / curvature;
        let mut gradient = vec![0.0; direction.len()];
        problem.operator().apply(&left, &mut gradient);
        gradient.iter_mut().for_each(|entry| *entry *= -2.0 * length);
        add(&mut gradient, -2.0 * weight, residual);
        add(&mut gradient, 4.0 * weight * length, &product);
        Self { loss: dot(&left, &left), gradient }
    }
}
