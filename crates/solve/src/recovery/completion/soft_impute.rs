//! Soft-impute: missing entries are filled in with the estimate, singular values are shrunk, ever less.
//!
//!     X ← S_τ(P_Ω(M) + P_Ω̄(X)),  S_τ: singular values less τ, those below 0 away, k of them at most
//!     τ = max(decay^t·σ₁, λ·|Ω|/√(rows·columns)),  σ₁: the largest singular value of P_Ω(M)
//!
//! The sum is a sparse matrix and one of rank k, and is never formed. A step is one round of subspace iteration from the last
//! singular vectors: 2·|Ω|·k multiply-adds for the products, as many for the residuals, O((rows + columns)·k²) for the bases. The
//! last τ is that at which the nuclear norm weighs what the ridge does on average. A baseline (Mazumder, Hastie, Tibshirani, 2010).

use super::{
    Completion,
    iterate::{Iterand, spectral},
};
use crate::check::within;
use crate::recovery::Factors;
use crate::recovery::pattern::Lines;
use crate::recovery::vectors::Vectors;
use crate::vectors::dot;
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::Mat;
use rankine_linalg::double::{Triples, multiply, orthonormal_basis, thin_qr, thin_svd};
use rankine_linalg::soft_threshold;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftImpute {
    /// What is left of the shrinkage after a step.
    pub decay: f64,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for SoftImpute {
    fn default() -> Self {
        Self { decay: 0.9, seed: 0 }
    }
}

/// What it keeps: X = U·diag(values)·Vᵀ.
#[derive(Clone, Debug)]
pub struct State {
    /// The iterate, with √values on both sides.
    pub iterand: Iterand,
    /// τ.
    pub shrinkage: f64,
    /// The last τ.
    least: f64,
    /// U·diag(values); [rows, k].
    left: Vectors,
    /// V; [columns, k].
    right: Vectors,
}

impl Iterate<Completion> for SoftImpute {
    type State = State;
    type Solution = Factors;

    fn stop(&self) -> Stop {
        Stop { steps: 500, tolerance: 1e-8 }
    }

    fn start(&self, problem: &Completion, from: Option<&Factors>, pulse: &Pulse<'_>) -> Result<State> {
        within("decay", self.decay, 0.0 < self.decay && self.decay < 1.0, "above 0 and below 1")?;
        let (entries, rng) = (problem.entries(), Rng::new(self.seed).fork("recovery/soft-impute"));
        let Triples { s, v, .. } = spectral(entries, problem.rank(), rng.fork("spectral"), pulse)?;
        let sides = entries.rows() as f64 * entries.columns() as f64;
        let least = problem.ridge() * entries.count() as f64 / sides.sqrt();
        let (left, right) = match from {
            Some(from) => {
                let Factors { left, right } = Iterand::from(problem, from)?.factors();
                let (basis, triangle) = thin_qr(right.as_ref());
                (
                    Vectors::of(multiply(left.as_ref(), triangle.transpose()).as_ref()),
                    Vectors::of(basis.as_ref()),
                )
            }
            None => (Vectors::zeros(entries.rows(), problem.rank()), Vectors::of(v.as_ref())),
        };
        let shrinkage = if from.is_some() { least } else { s[0].max(least) };
        Ok(State { iterand: Iterand::new(left.clone(), right.clone()), shrinkage, least, left, right })
    }

    fn step(&self, problem: &Completion, state: &mut State, pulse: &Pulse<'_>) -> Result<Step> {
        pulse.check()?;
        let State { left, right, .. } = state;
        let [by_row, by_column] = rest(problem, left, right);
        pulse.check()?;
        let reach = by_row.times(&|value| value, right).matrix() + left.view();
        let basis = orthonormal_basis(reach);
        let overlap = multiply(left.view().transpose(), basis.as_ref());
        let across = by_column.times(&|value| value, &Vectors::of(basis.as_ref())).matrix()
            + multiply(right.view(), overlap.as_ref());
        pulse.check()?;
        if !across.is_all_finite() {
            return Ok(Step::new(f64::INFINITY, f64::INFINITY));
        }
        state.shrinkage = (self.decay * state.shrinkage).max(state.least);
        let Triples { u, s, v } = thin_svd(across.as_ref())?;
        let values = soft_threshold(&s, state.shrinkage);
        let turned = multiply(basis.as_ref(), v.as_ref());
        state.left = scaled(&turned, &values, 1.0);
        state.right = Vectors::of(u.as_ref());
        state.iterand.left = scaled(&turned, &values, 0.5);
        state.iterand.right = scaled(&u, &values, 0.5);
        Ok(state.iterand.measure(problem))
    }

    fn finish(&self, _: &Completion, state: State) -> Result<Factors> {
        Ok(state.iterand.finish())
    }
}

/// vectors · diag(values)^power.
fn scaled(vectors: &Mat<f64>, values: &[f64], power: f64) -> Vectors {
    let entry = |i, c: usize| vectors[(i, c)] * values[c].powf(power);
    Vectors::of(Mat::from_fn(vectors.nrows(), values.len(), entry).as_ref())
}

/// P_Ω(M − L·Rᵀ), by row and by column.
fn rest(problem: &Completion, left: &Vectors, right: &Vectors) -> [Lines<f64>; 2] {
    let entries = problem.entries();
    [
        entries.by_row.map(&|i, j, value| value - dot(left.row(i), right.row(j))),
        entries.by_column.map(&|j, i, value| value - dot(left.row(i), right.row(j))),
    ]
}
