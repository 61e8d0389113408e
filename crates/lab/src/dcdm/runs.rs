//! Every solver on every grid.

use super::{Domain, Plan};
use crate::Result;
use rankine_random::Rng;
use rankine_solve::linear::cg::Cg;
use rankine_solve::linear::dcdm::{Dcdm, Guide};
use rankine_solve::linear::incomplete_cholesky::IncompleteCholesky;
use rankine_solve::linear::jacobi::Jacobi;
use rankine_solve::linear::multigrid::Multigrid;
use rankine_solve::linear::spectral::Spectral;
use rankine_solve::linear::{
    Direction, Drive, LinearSolver, LinearSystem, Poisson, SineInverse, Unknowns, misfit,
};
use rankine_solve::{Progress, Report, Silent, Solve, Stop};

/// Relative residual that ends a solve, and the one of the page, at which steps are compared.
pub(super) const TOLERANCE: f64 = 1e-6;
const COMPARED: f64 = 1e-4;
/// Loss of the trained network of the page's prototype.
const LOSS: f64 = 0.0075;
const SEED: u64 = 41;
/// [dcdm]: 16 vectors, and enough steps that the lowest have converged on most grids.
const DEFLATED: Spectral = Spectral { vectors: 16, steps: 300, seed: 0 };

/// A way to solve.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Arm {
    /// A solver by itself.
    Baseline(&'static str, LinearSolver),
    /// The paper's loop along the stand-in of the network.
    Guided {
        /// Directions that a new one is made conjugate to.
        history: usize,
        /// Share of the squared residual that a step along it leaves on the box.
        loss: f64,
    },
}

impl Arm {
    /// What is claimed against.
    pub const PLAIN: Self = Self::Baseline("CG", LinearSolver::Cg(Cg {}));
    /// What is claimed.
    pub const OURS: Self = Self::guided(2);

    /// The loop with a history, along directions with the loss of the page.
    pub const fn guided(history: usize) -> Self {
        Self::Guided { history, loss: LOSS }
    }

    /// Enough for the claims.
    pub fn few() -> Vec<Self> {
        vec![
            Self::OURS,
            Self::guided(0),
            Self::guided(10),
            Self::PLAIN,
            Self::incomplete(0.0),
            Self::multigrid(),
        ]
    }

    /// All, those of [`Arm::few`] first.
    pub fn all() -> Vec<Self> {
        let mut arms = Self::few();
        arms.extend([
            Self::Guided { history: 2, loss: 0.0 },
            Self::Guided { history: 2, loss: 0.108 },
            Self::Baseline("Jacobi-PCG", LinearSolver::Jacobi(Jacobi {})),
            Self::incomplete(0.97),
            Self::Baseline("deflated PCG (16)", LinearSolver::Spectral(DEFLATED)),
            Self::Baseline("DCDM, residual", LinearSolver::Dcdm(Dcdm { history: 2, guide: Guide::Residual })),
        ]);
        arms
    }

    fn incomplete(modified: f64) -> Self {
        let label = if modified > 0.0 { "MIC(0)-PCG" } else { "IC(0)-PCG" };
        Self::Baseline(label, LinearSolver::IncompleteCholesky(IncompleteCholesky { modified }))
    }

    fn multigrid() -> Self {
        Self::Baseline("multigrid-PCG", LinearSolver::Multigrid(Multigrid::default()))
    }

    /// What it is called on the page.
    pub fn label(&self) -> String {
        match self {
            Self::Baseline(label, _) => (*label).to_owned(),
            Self::Guided { history, loss } if *loss == 0.0 => format!("exact inverse, h = {history}"),
            Self::Guided { history, loss } => format!("DCDM, loss {loss}, h = {history}"),
        }
    }
}

/// One solve.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Run {
    pub arm: String,
    pub domain: &'static str,
    pub axes: usize,
    /// Cells along a side.
    pub side: usize,
    pub drive: Drive,
    /// Loss of the direction for the right-hand side, for arms along a stand-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Steps to a relative residual of 1e-4.
    pub steps: usize,
    /// Steps to 1e-6.
    pub all_steps: usize,
    /// Seconds of the whole, and those of them that the first step took beyond the mean of the others: the set-up.
    pub seconds: f64,
    pub setup_seconds: f64,
    /// The last relative residual, and those of all steps.
    pub residual: f64,
    pub residuals: Vec<f64>,
}

impl Run {
    /// A run of nothing but its steps.
    #[cfg(test)]
    pub fn of(arm: String, domain: &'static str, side: usize, steps: usize) -> Self {
        let (drive, loss, residuals) = (Drive::White, None, vec![]);
        let (seconds, setup_seconds, residual) = (0.0, 0.0, 0.0);
        let all_steps = steps;
        Self {
            arm,
            domain,
            axes: 2,
            side,
            drive,
            loss,
            steps,
            all_steps,
            seconds,
            setup_seconds,
            residual,
            residuals,
        }
    }

    fn new(arm: &Arm, problem: &Problem<'_>, report: &Report<Unknowns>, loss: Option<f64>) -> Self {
        let trace = &report.trace;
        let within = |tolerance| {
            trace
                .iter()
                .find(|progress| progress.residual <= tolerance)
                .map_or(trace.len(), |progress| progress.step)
        };
        Self {
            arm: arm.label(),
            domain: problem.domain.name,
            axes: problem.axes,
            side: problem.side,
            drive: problem.drive,
            loss,
            steps: within(COMPARED),
            all_steps: within(TOLERANCE),
            seconds: report.seconds,
            setup_seconds: setup(trace),
            residual: report.last().map_or(0.0, |progress| progress.residual),
            residuals: trace.iter().map(|progress| progress.residual).collect(),
        }
    }
}

/// Seconds that the first step took beyond the mean of the others.
fn setup(trace: &[Progress]) -> f64 {
    let [first, .., last] = trace else { return trace.first().map_or(0.0, |progress| progress.seconds) };
    let mean = (last.seconds - first.seconds) / (trace.len() - 1) as f64;
    (first.seconds - mean).max(0.0)
}

/// A system with its place in the plan.
struct Problem<'a> {
    axes: usize,
    side: usize,
    domain: Domain,
    drive: Drive,
    system: LinearSystem,
    /// The inverse on the box.
    inverse: &'a SineInverse,
}

pub(super) fn run(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let squares = plan.sides.iter().map(|&side| (2, side));
    for (axes, side) in squares.chain(plan.cubes.iter().map(|&side| (3, side))) {
        let inverse = SineInverse::new(&Poisson::cube(side, axes)?)?;
        for &domain in &plan.domains {
            watch(&format!("{}, {side} cells a side, {axes} axes", domain.name));
            let grid = domain.obstacle.poisson(&vec![side; axes])?;
            for &drive in &plan.drives {
                let system = LinearSystem::new(grid.clone(), drive.values(&grid, SEED))?;
                let problem = Problem { axes, side, domain, drive, system, inverse: &inverse };
                for arm in &plan.arms {
                    runs.push(problem.solve(arm)?);
                }
            }
        }
    }
    Ok(runs)
}

impl Problem<'_> {
    fn solve(&self, arm: &Arm) -> Result<Run> {
        let stop = Stop { steps: 4000, tolerance: TOLERANCE };
        match arm {
            Arm::Baseline(_, choice) => {
                let report = choice.solver().solve(&self.system, None, stop, &mut Silent::watch)?;
                Ok(Run::new(arm, self, &report, None))
            }
            &Arm::Guided { history, loss } => {
                let guess = Guess::new(self.inverse, loss);
                let solver = Dcdm { history, ..Dcdm::default() };
                let report = solver.along(&guess).solve(&self.system, None, stop, &mut Silent::watch)?;
                Ok(Run::new(arm, self, &report, Some(self.loss(&guess))))
            }
        }
    }

    /// Loss of a direction for the right-hand side.
    fn loss(&self, guess: &Guess<'_>) -> f64 {
        let length = self.system.rhs().iter().map(|b| b * b).sum::<f64>().sqrt();
        let unit: Vec<f64> = self.system.rhs().iter().map(|b| b / length).collect();
        let mut direction = vec![0.0; unit.len()];
        guess.propose(&unit, &mut direction);
        self.system.frozen().iter().for_each(|&row| direction[row] = 0.0);
        misfit(&self.system, &unit, &direction)
    }
}

/// The stand-in: A⁻¹·(r + σ·‖r‖·g/√n) on the box, g: normal numbers that the residual decides. A step along it leaves
/// σ²/(1 + σ²) of ‖r‖² there.
struct Guess<'a> {
    inverse: &'a SineInverse,
    /// σ.
    noise: f64,
}

impl<'a> Guess<'a> {
    fn new(inverse: &'a SineInverse, loss: f64) -> Self {
        Self { inverse, noise: (loss / (1.0 - loss)).sqrt() }
    }
}

impl Direction for Guess<'_> {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        let mut rng = Rng::new(SEED).fork(&format!("guess-{:x}", residual.iter().sum::<f64>().to_bits()));
        let length = residual.iter().map(|r| r * r).sum::<f64>().sqrt();
        let deviation = self.noise * length / (residual.len() as f64).sqrt();
        let noisy: Vec<f64> = match deviation > 0.0 {
            true => residual.iter().map(|r| r + deviation * rng.normal_f64()).collect(),
            false => residual.to_vec(),
        };
        self.inverse.propose(&noisy, direction);
    }
}
