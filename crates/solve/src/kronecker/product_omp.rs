//! Kronecker OMP: a product of supports that grows by the entry that the rest of y is most along.
//!
//!     (i₁, …, i_d) ← argmax |Hᴴ·r| / ‖h‖        I_k ← I_k ∪ {i_k}        r ← y − the least squares by the columns of I₁ × … × I_d
//!
//! The least squares is a product too, (A₁[:, I₁]⁺ ⊗ … ⊗ A_d[:, I_d]⁺)·y: only the small factors are decomposed. Ends as
//! [`super::omp`], or when no index can be added. Caiafa and Cichocki 2013; a baseline of [kronecker_sbl].

use super::omp::{Pursuit, limits, strongest};
use super::problem::places;
use super::{KroneckerRecovery, Recovered};
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::{Mat, c64};
use rankine_linalg::{GrowingQr, kronecker_apply};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KroOmp {
    /// Indices of each factor at most.
    pub atoms: usize,
    /// ‖r‖ / ‖y‖ that is small enough.
    pub misfit: f64,
}

impl Default for KroOmp {
    fn default() -> Self {
        Self { atoms: 10, misfit: 1e-2 }
    }
}

/// What is kept between steps.
#[derive(Clone, Debug)]
pub struct State {
    pursuit: Pursuit,
    supports: Vec<Support>,
    coefficients: Vec<c64>,
}

impl Iterate<KroneckerRecovery> for KroOmp {
    type State = State;
    type Solution = Recovered;

    fn stop(&self) -> Stop {
        Stop { steps: 150, tolerance: 1e-4 }
    }

    fn start(&self, problem: &KroneckerRecovery, from: Option<&Recovered>, _: &Pulse<'_>) -> Result<State> {
        limits(self.atoms, self.misfit)?;
        let supports = problem.factors().iter().map(|_| Support::default()).collect();
        let coefficients = vec![c64::ZERO; problem.unknowns()];
        let mut state = State { pursuit: Pursuit::new(problem, self.misfit), supports, coefficients };
        if let Some(from) = problem.fitting(from)? {
            for place in strongest(from) {
                state.add(problem, place, self.atoms);
            }
            if state.supports.iter().all(|support| !support.indices.is_empty()) {
                state.coefficients = fit(problem, &state.supports)?;
                state.pursuit.leave(problem, &state.coefficients)?;
            }
        }
        Ok(state)
    }

    fn step(&self, problem: &KroneckerRecovery, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.pursuit.reached() {
            return Ok(state.pursuit.progress(&state.coefficients, &state.coefficients));
        }
        let place = state.pursuit.steepest(|_| true)?;
        if !place.is_some_and(|place| state.add(problem, place, self.atoms)) {
            return Ok(state.pursuit.stalled());
        }
        let coefficients = fit(problem, &state.supports)?;
        state.pursuit.leave(problem, &coefficients)?;
        let step = state.pursuit.progress(&coefficients, &state.coefficients);
        state.coefficients = coefficients;
        Ok(step)
    }

    fn finish(&self, _: &KroneckerRecovery, state: State) -> Result<Recovered> {
        Ok(Recovered { coefficients: state.coefficients, variances: Vec::new(), noise: None })
    }
}

impl State {
    /// Adds the index of every factor at a place where it is new; whether one was.
    fn add(&mut self, problem: &KroneckerRecovery, mut place: usize, most: usize) -> bool {
        let mut added = false;
        for (support, factor) in self.supports.iter_mut().zip(problem.factors()).rev() {
            added |= support.add(place % factor.ncols(), factor, most);
            place /= factor.ncols();
        }
        added
    }
}

/// Indices of a factor, with the decomposition of their columns.
#[derive(Clone, Debug, Default)]
struct Support {
    indices: Vec<usize>,
    qr: GrowingQr<c64>,
}

impl Support {
    /// Adds an index that is new where there may be another and its column is no combination of the others'.
    fn add(&mut self, index: usize, factor: &Mat<c64>, most: usize) -> bool {
        if self.indices.contains(&index) || most <= self.indices.len() {
            return false;
        }
        let column: Vec<c64> = factor.col(index).iter().copied().collect();
        let added = self.qr.push(&column);
        if added {
            self.indices.push(index);
        }
        added
    }
}

/// The least squares of y among the x on a product of supports, indices of one factor each: what an oracle would find.
///
/// # Errors
/// None where the sizes agree.
pub fn least_squares_on(problem: &KroneckerRecovery, supports: &[Vec<usize>]) -> Result<Vec<c64>> {
    let supports: Vec<Support> = problem
        .factors()
        .iter()
        .zip(supports)
        .map(|(factor, indices)| {
            let mut support = Support::default();
            indices.iter().filter(|&&index| index < factor.ncols()).for_each(|&index| {
                support.add(index, factor, usize::MAX);
            });
            support
        })
        .collect();
    fit(problem, &supports)
}

/// x on the supports, 0 elsewhere; [Π N_i].
fn fit(problem: &KroneckerRecovery, supports: &[Support]) -> Result<Vec<c64>> {
    let inverses: Vec<Mat<c64>> = supports.iter().map(|support| support.qr.pseudo_inverse()).collect();
    let views: Vec<_> = inverses.iter().map(Mat::as_ref).collect();
    let values = kronecker_apply(&views, problem.observation())?;
    let left = supports.iter().zip(problem.factors()).map(|(support, a)| (&support.indices[..], a.ncols()));
    let mut coefficients = vec![c64::ZERO; problem.unknowns()];
    places(left).into_iter().zip(values).for_each(|(place, x)| coefficients[place] = x);
    Ok(coefficients)
}
