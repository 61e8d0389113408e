//! OMP: column after column of the dictionary, each the one that the rest of y is most along.
//!
//!     n ← argmax |h_nᴴ·r| / ‖h_n‖        r ← y − the least squares of y by the chosen columns
//!
//! Correlations come from the factors; the dictionary is not formed. Ends when ‖r‖ is at the noise, √M·s, where that is known,
//! or at a share of ‖y‖. Pati, Rezaiifar and Krishnaprasad 1993; a baseline of [kronecker_sbl].

use super::problem::energy;
use super::{KroneckerRecovery, Recovered};
use crate::check::{at_least_one, share};
use crate::{Iterate, Pulse, Result, Step, Stop};
use faer::{Mat, c64};
use rankine_linalg::{GrowingQr, kronecker_apply, outer};
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Omp {
    /// Columns at most; never more than y has entries.
    pub atoms: usize,
    /// ‖r‖ / ‖y‖ that is small enough.
    pub misfit: f64,
}

impl Default for Omp {
    fn default() -> Self {
        Self { atoms: 100, misfit: 1e-2 }
    }
}

/// What is kept between steps.
#[derive(Clone, Debug)]
pub struct State {
    pursuit: Pursuit,
    chosen: Vec<usize>,
    qr: GrowingQr<c64>,
    /// Coefficients of the chosen columns.
    values: Vec<c64>,
}

impl Iterate<KroneckerRecovery> for Omp {
    type State = State;
    type Solution = Recovered;

    fn stop(&self) -> Stop {
        Stop { steps: self.atoms.saturating_add(1), tolerance: 1e-4 }
    }

    fn start(&self, problem: &KroneckerRecovery, from: Option<&Recovered>, _: &Pulse<'_>) -> Result<State> {
        limits(self.atoms, self.misfit)?;
        let pursuit = Pursuit::new(problem, self.misfit);
        let mut state = State { pursuit, chosen: Vec::new(), qr: GrowingQr::new(), values: Vec::new() };
        if let Some(from) = problem.fitting(from)? {
            for place in strongest(from).into_iter().take(self.atoms) {
                if state.qr.push(&column(problem.factors(), place)) {
                    state.chosen.push(place);
                }
            }
            state.values = state.qr.least_squares(problem.observation());
            let coefficients = state.coefficients(problem);
            state.pursuit.leave(problem, &coefficients)?;
        }
        Ok(state)
    }

    fn step(&self, problem: &KroneckerRecovery, state: &mut State, _: &Pulse<'_>) -> Result<Step> {
        if state.pursuit.reached() {
            return Ok(Step::new(energy(&state.pursuit.left), 0.0));
        }
        let fresh = state.pursuit.steepest(|place| !state.chosen.contains(&place))?;
        let added = match fresh {
            Some(place) if state.chosen.len() < self.atoms => {
                let added = state.qr.push(&column(problem.factors(), place));
                added.then(|| state.chosen.push(place)).is_some()
            }
            _ => false,
        };
        if !added {
            return Ok(state.pursuit.stalled());
        }
        let values = state.qr.least_squares(problem.observation());
        if let Some(q) = state.qr.last() {
            let along: c64 = q.iter().zip(&state.pursuit.left).map(|(q, r)| q.conj() * r).sum();
            state.pursuit.left.iter_mut().zip(q).for_each(|(r, q)| *r -= along * q);
        }
        state.values.resize(values.len(), c64::ZERO);
        let step = state.pursuit.progress(&values, &state.values);
        state.values = values;
        Ok(step)
    }

    fn finish(&self, problem: &KroneckerRecovery, state: State) -> Result<Recovered> {
        let coefficients = state.coefficients(problem);
        Ok(Recovered { coefficients, variances: Vec::new(), noise: None })
    }
}

impl State {
    /// x; [Π N_i].
    fn coefficients(&self, problem: &KroneckerRecovery) -> Vec<c64> {
        let mut coefficients = vec![c64::ZERO; problem.unknowns()];
        self.chosen.iter().zip(&self.values).for_each(|(place, x)| coefficients[*place] = *x);
        coefficients
    }
}

/// What the pursuits share: the rest of y, and where it leads.
#[derive(Clone, Debug)]
pub(super) struct Pursuit {
    /// A_iᴴ.
    adjoints: Vec<Mat<c64>>,
    /// ‖h_n‖; [Π N_i].
    lengths: Vec<f64>,
    /// r; [Π M_i].
    pub left: Vec<c64>,
    /// ‖r‖² that is small enough.
    enough: f64,
    /// The residual of the last step.
    last: f64,
}

impl Pursuit {
    /// Before the first column.
    pub fn new(problem: &KroneckerRecovery, misfit: f64) -> Self {
        let factors = problem.factors();
        let lengths: Vec<Vec<f64>> =
            factors.iter().map(|factor| factor.col_iter().map(|column| column.norm_l2()).collect()).collect();
        let left = problem.observation().to_vec();
        let noise = problem.noise().unwrap_or(0.0) * left.len() as f64;
        Self {
            adjoints: factors.iter().map(|factor| factor.adjoint().to_owned()).collect(),
            lengths: outer(&lengths),
            enough: noise.max(misfit.powi(2) * energy(&left)),
            left,
            last: 1.0,
        }
    }

    /// Leaves of y what x does not fit.
    ///
    /// # Errors
    /// When x does not have Π N_i numbers.
    pub fn leave(&mut self, problem: &KroneckerRecovery, x: &[c64]) -> Result<()> {
        let fitted = problem.fitted(x)?;
        self.left = problem.observation().iter().zip(fitted).map(|(y, f)| y - f).collect();
        Ok(())
    }

    /// Whether what is left is small enough.
    pub fn reached(&self) -> bool {
        energy(&self.left) <= self.enough
    }

    /// The column that the rest is most along, among those that are wanted.
    ///
    /// # Errors
    /// None where the sizes agree.
    pub fn steepest(&self, wanted: impl Fn(usize) -> bool) -> Result<Option<usize>> {
        let views: Vec<_> = self.adjoints.iter().map(Mat::as_ref).collect();
        let along = kronecker_apply(&views, &self.left)?;
        let scaled = along.iter().zip(&self.lengths).map(|(along, length)| along.norm() / length);
        let candidates = scaled.enumerate().filter(|&(place, along)| 0.0 < along && wanted(place));
        Ok(candidates.max_by(|(_, x), (_, y)| x.total_cmp(y)).map(|(place, _)| place))
    }

    /// A step that went from old to new coefficients.
    pub fn progress(&mut self, new: &[c64], old: &[c64]) -> Step {
        let apart: f64 = new.iter().zip(old).map(|(new, old)| (new - old).norm_sqr()).sum();
        self.last = if apart == 0.0 { 0.0 } else { (apart / energy(new)).sqrt() };
        Step::new(energy(&self.left), self.last)
    }

    /// A step that found nothing to add.
    pub fn stalled(&self) -> Step {
        Step { stalled: true, ..Step::new(energy(&self.left), self.last) }
    }
}

/// Where a solution has its support, the largest entry first.
pub(super) fn strongest(from: &Recovered) -> Vec<usize> {
    let mut places = from.support();
    places.sort_by(|&a, &b| from.coefficients[b].norm().total_cmp(&from.coefficients[a].norm()));
    places
}

/// Whether the settings of a pursuit are in their ranges.
pub(super) fn limits(atoms: usize, misfit: f64) -> Result<()> {
    at_least_one("atoms", atoms)?;
    share("misfit", misfit)
}

/// A column of the dictionary; [Π M_i].
fn column(factors: &[Mat<c64>], mut place: usize) -> Vec<c64> {
    let mut columns: Vec<Vec<c64>> = Vec::with_capacity(factors.len());
    for factor in factors.iter().rev() {
        columns.push(factor.col(place % factor.ncols()).iter().copied().collect());
        place /= factor.ncols();
    }
    columns.reverse();
    outer(&columns)
}
