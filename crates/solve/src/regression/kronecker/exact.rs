//! Least squares of a Kronecker product by QR decompositions of its factors.
//!
//!     X = A₁⁺·B·(A₂⁺)ᵀ        A⁺ = R⁻¹·Qᵀ
//!
//! 2·n₁·n₂·d₂ for the larger part: less than it costs to form the product.

use super::{Fit, KroneckerRegression};
use crate::regression::problem::{first, fit};
use crate::regression::triangle::Triangle;
use crate::solver::direct;
use crate::{Pulse, Report, Result, Solve, Stop, Watch};
use faer::{Mat, MatRef};
use rankine_linalg::double;
use serde::{Deserialize, Serialize};

/// The solver; it has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exact {}

impl Solve<KroneckerRegression> for Exact {
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 1, tolerance: 1e-9 }
    }

    fn solve(
        &self,
        problem: &KroneckerRegression,
        from: Option<&Fit>,
        stop: Stop,
        watch: &mut Watch<'_>,
    ) -> Result<Report<Fit>> {
        let answer = |pulse: &Pulse<'_>| {
            let [left, right] = problem.factors();
            let (half, outer) = pseudo("the second factor", right, problem.turned_target())?;
            pulse.check()?;
            let (whole, inner) = pseudo("the first factor", left, half.transpose())?;
            pulse.check()?;
            let wide = right.ncols();
            let x = (0..problem.columns()).map(|at| whole[(at / wide, at % wide)]).collect();
            fit(problem, x, problem.target().len(), Some(inner * outer))
        };
        direct(stop, watch, answer, || first(problem, from))
    }
}

/// A⁺·B, and a lower bound of the condition of A.
fn pseudo(what: &'static str, a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<(Mat<f64>, f64)> {
    let (q, r) = double::thin_qr(a);
    let triangle = Triangle::new(what, r.as_ref(), a.ncols(), a.nrows())?;
    let mut x = double::multiply(q.transpose(), b);
    triangle.solve_columns(x.as_mut());
    Ok((x, triangle.condition()))
}
