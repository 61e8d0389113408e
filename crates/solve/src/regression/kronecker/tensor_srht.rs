//! Least squares of a few rows of a transformed Kronecker product.
//!
//!     S = R·(H₁D₁ ⊗ H₂D₂)/√m        R picks m pairs of rows of the transformed factors
//!
//! Costs n₁·n₂·log(n₁·n₂) for S·b, then 2·m·(d₁·d₂)²; A₁ ⊗ A₂ is formed in the m rows only.
//! Paper: [sketched_regression], its tensor case. The page's practice for the rows of one matrix, 4·d/ε², is taken for d₁·d₂
//! columns; the theory has more logarithms.

use super::{Fit, KroneckerRegression};
use crate::regression::problem::{first, fit};
use crate::regression::sketched::Size;
use crate::regression::triangle::Triangle;
use crate::solver::direct;
use crate::{Pulse, Report, Result, Solve, Stop, Watch};
use faer::MatRef;
use rankine_linalg::{self as linalg, tall_triangle};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TensorSrht {
    /// ε, from which the rows follow: 4·d₁·d₂/ε², at most n₁·n₂.
    pub eps: f64,
    /// The rows themselves, instead.
    pub rows: Option<usize>,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for TensorSrht {
    fn default() -> Self {
        Self { eps: 0.25, rows: None, seed: 0 }
    }
}

impl Solve<KroneckerRegression> for TensorSrht {
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 1, tolerance: self.eps }
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
            let size = Size { eps: self.eps, rows: self.rows, seed: self.seed };
            let rows = size.rows((problem.target().len(), problem.columns()))?;
            let rng = Rng::new(self.seed).fork("regression/tensor");
            let sketch = linalg::TensorSrht::new([left.nrows(), right.nrows()], rows, &rng)?;
            let going = || pulse.beats();
            let b = sketch.apply_vector(problem.target(), &going)?;
            let a = sketch.apply(left, right, &going)?;
            let target = MatRef::from_column_major_slice(&b, rows, 1);
            let whole = tall_triangle(&[a.as_ref(), target], &going)?;
            let triangle = Triangle::new("the sketched product", whole.as_ref(), problem.columns(), rows)?;
            fit(problem, triangle.last_column(whole.as_ref()), rows, Some(triangle.condition()))
        };
        direct(stop, watch, answer, || first(problem, from))
    }
}
