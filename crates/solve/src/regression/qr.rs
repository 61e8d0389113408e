//! Least squares by Householder's QR decomposition.
//!
//!     [A b] = Q·[R c; 0 ρ]        R x = c, ‖A x − b‖ = |ρ|
//!
//! 2·n·d² by blocks of rows on all threads. The error grows with the condition of A, and with its square only where the
//! distance is large.

use super::problem::{first, fit};
use super::triangle::Triangle;
use super::{Fit, Regression};
use crate::solver::direct;
use crate::{Pulse, Report, Result, Solve, Stop, Watch};
use rankine_linalg::tall_triangle;
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qr {}

impl Solve<Regression> for Qr {
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 1, tolerance: 1e-9 }
    }

    fn solve(
        &self,
        problem: &Regression,
        from: Option<&Fit>,
        stop: Stop,
        watch: &mut Watch<'_>,
    ) -> Result<Report<Fit>> {
        let answer = |pulse: &Pulse<'_>| {
            let (rows, columns) = problem.design().shape();
            let whole = tall_triangle(&[problem.design(), problem.target_column()], &|| pulse.beats())?;
            let triangle = Triangle::new("the design", whole.as_ref(), columns, rows)?;
            fit(problem, triangle.last_column(whole.as_ref()), rows, Some(triangle.condition()))
        };
        direct(stop, watch, answer, || first(problem, from))
    }
}
