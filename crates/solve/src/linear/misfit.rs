//! What one step leaves of a residual: the loss that a network is trained for and judged by.
//!
//!     L(q) = ‖r − c·A·q‖²,   c = qᵀr / qᵀA·q
//!
//! L does not depend on the length of q. c is the length that φ asks for, so L may be above ‖r‖². No solution is needed.
//! Source: [dcdm] §4.

use super::LinearSystem;
use crate::vectors::{add, dot};

/// L of a direction q for a residual r of the problem's matrix. A direction without positive curvature leaves the residual.
pub fn misfit(problem: &LinearSystem, residual: &[f64], direction: &[f64]) -> f64 {
    let mut product = vec![0.0; direction.len()];
    problem.operator().apply(direction, &mut product);
    let curvature = dot(direction, &product);
    let mut left = residual.to_vec();
    if 0.0 < curvature {
        add(&mut left, -dot(direction, residual) / curvature, &product);
    }
    dot(&left, &left)
}
