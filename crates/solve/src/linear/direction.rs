//! The slot for a network, or for any preconditioner.

/// Points roughly along A⁻¹·r.
///
/// Length and sign of what it gives do not matter to [`super::dcdm`]; a linear symmetric positive definite one makes that
/// conjugate gradients with a preconditioner. What cannot be given is left zero or NaN; the residual is taken in its place.
pub trait Direction: Send + Sync {
    /// A direction for a residual; residual, direction: [n].
    fn propose(&self, residual: &[f64], direction: &mut [f64]);
}

/// The residual itself: conjugate gradients, or steepest descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity;

impl Direction for Identity {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        direction.copy_from_slice(residual);
    }
}
