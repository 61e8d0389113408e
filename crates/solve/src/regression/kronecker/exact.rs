//! Least squares of a Kronecker product by QR decompositions of its factors.
//!
//!     X = A₁⁺·B·(A₂⁺)ᵀ        A⁺ = R⁻¹·Qᵀ
//!
//! 2·n₁·n₂·d₂ for the larger part: less than it costs to form the product. It is broken off between panels of columns.

use super::{Fit, KroneckerRegression};
use crate::regression::problem::{first, fit};
use crate::regression::triangle::Triangle;
use crate::solver::direct;
use crate::{Pulse, Report, Result, Solve, Stop, Watch};
use faer::{Mat, MatRef};
use rankine_linalg::{Going, ask, double};
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
            let ([left, right], going) = (problem.factors(), || pulse.beats());
            let (half, outer) = pseudo("the second factor", right, problem.turned_target(), &going)?;
            let (whole, inner) = pseudo("the first factor", left, half.transpose(), &going)?;
            let wide = right.ncols();
            let x = (0..problem.columns()).map(|at| whole[(at / wide, at % wide)]).collect();
            fit(problem, x, problem.target().len(), Some(inner * outer))
        };
        direct(stop, watch, answer, || first(problem, from))
    }
}

/// Columns that are solved for between two questions.
const COLUMNS: usize = 128;

/// A⁺·B, and a lower bound of the condition of A.
fn pseudo(
    what: &'static str,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    going: &Going<'_>,
) -> Result<(Mat<f64>, f64)> {
    let (q, r) = double::thin_qr_while(a.to_owned(), going)?;
    let triangle = Triangle::new(what, r.as_ref(), a.ncols(), a.nrows())?;
    let mut x = double::multiply_while(q.transpose(), b, going)?;
    for start in (0..x.ncols()).step_by(COLUMNS) {
        ask(going)?;
        let count = COLUMNS.min(x.ncols() - start);
        triangle.solve_columns(x.as_mut().subcols_mut(start, count));
    }
    Ok((x, triangle.condition()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_ends_where_it_is_told_to() {
        let mut rng = Rng::new(1);
        let mut random = |rows, columns| Mat::from_fn(rows, columns, |_, _| rng.normal_f64());
        let (a, b) = (random(300, 140), random(300, 150));
        let asked = AtomicUsize::new(0);
        let until = |most: usize| {
            asked.store(0, Ordering::Relaxed);
            pseudo("a", a.as_ref(), b.as_ref(), &|| asked.fetch_add(1, Ordering::Relaxed) < most)
        };
        assert!(until(usize::MAX).is_ok());
        // The decomposition, its basis, the product, and twice the triangle.
        let all = asked.load(Ordering::Relaxed);
        assert!(8 <= all, "{all}");
        for most in 0..all {
            assert!(until(most).is_err_and(|error| error.is_interruption()));
            assert_eq!(asked.load(Ordering::Relaxed), most + 1);
        }
    }
}
