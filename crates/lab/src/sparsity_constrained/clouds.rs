//! Plans between clouds of points for several k and ε, and how fast they are found.

use crate::Result;
use rankine_random::Rng;
use rankine_solve::transport::points::{Metric, cost};
use rankine_solve::transport::{
    Plan as Carried, Sparse, Transport, exact::Exact, quadratic::Quadratic,
    sparsity_constrained::SparsityConstrained,
};
use rankine_solve::{Mat, Outcome, Report, Silent, Solve, Stop};

/// Marginal error at which a plan is found.
pub(super) const TOLERANCE: f64 = 1e-6;
/// Steps allowed in the comparison of speed.
const STEPS: usize = 2000;

/// What was found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Clouds {
    pub cases: Vec<Case>,
    /// L-BFGS from zero at the first ε, on the second pair of clouds.
    pub curves: Vec<Curve>,
}

/// One k at one ε between two clouds.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Case {
    pub clouds: String,
    pub regularization: f64,
    pub k: usize,
    /// Steps until the plan met the masses, or no step helped.
    pub steps: usize,
    pub converged: bool,
    pub residual: f64,
    /// Entries of the plan, and of its fullest column.
    pub nonzeros: usize,
    pub fullest: usize,
    /// Cost and penalty of the plan.
    pub value: f64,
    /// The dual at the first step: its maximum where k = 1.
    pub first: f64,
    /// Cost of the exact plan, and the penalty that every plan of one entry a column has.
    pub exact: f64,
    pub single: f64,
    /// Value with the quadratic penalty alone.
    pub quadratic: f64,
}

/// How the marginal error fell.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Curve {
    pub k: usize,
    pub residuals: Vec<f64>,
    pub converged: bool,
}

pub(super) fn run(plan: &super::Plan) -> Result<Clouds> {
    let [n, m] = plan.points;
    let (x, y) = (cloud("x", n, 0.0), cloud("y", m, 0.5));
    let mut found = Clouds { cases: Vec::new(), curves: Vec::new() };
    for (name, to) in [("onto itself", &x), ("onto another", &y)] {
        for &regularization in &plan.regularizations {
            let problem = problem(&x, to, regularization)?;
            let exact = solve(&Exact::default(), &problem, None)?.solution.cost;
            let quadratic = solve(&Quadratic::default(), &problem, None)?.solution;
            let masses = problem.target().iter();
            let single = regularization / 2.0 * masses.map(|mass| mass * mass).sum::<f64>();
            for k in fitting(plan, &problem) {
                let report = solve(&sparse(k), &problem, None)?;
                found.cases.push(Case {
                    clouds: name.to_owned(),
                    regularization,
                    k,
                    steps: report.trace.len(),
                    converged: report.outcome == Outcome::Converged,
                    residual: problem.violation(&report.solution.plan),
                    nonzeros: report.solution.plan.nonzeros(),
                    fullest: fullest(&report.solution),
                    value: value(&problem, &report.solution),
                    first: report.trace.first().map_or(f64::NAN, |step| step.objective),
                    exact,
                    single,
                    quadratic: value(&problem, &quadratic),
                });
            }
        }
    }
    let problem = problem(&x, &y, plan.regularizations[0])?;
    let zero = Carried {
        plan: Sparse::default().into(),
        source_potential: vec![0.0; n],
        target_potential: vec![0.0; m],
        cost: 0.0,
    };
    for k in fitting(plan, &problem) {
        let report = solve(&sparse(k), &problem, Some(&zero))?;
        let residuals = report.trace.iter().map(|step| step.residual).collect();
        found.curves.push(Curve { k, residuals, converged: report.outcome == Outcome::Converged });
    }
    Ok(found)
}

/// k that this problem takes.
fn fitting(plan: &super::Plan, problem: &Transport) -> Vec<usize> {
    let least = problem.source().len().div_ceil(problem.target().len());
    plan.nonzeros.iter().copied().filter(|&k| k >= least).collect()
}

fn sparse(max_nonzeros: usize) -> SparsityConstrained {
    SparsityConstrained { max_nonzeros, ..Default::default() }
}

/// Points of a Gaussian in the plane, moved along the first axis; [count, 2].
fn cloud(name: &str, count: usize, shift: f64) -> Mat<f64> {
    let mut rng = Rng::new(35).fork("lab/sparsity-constrained").fork(name);
    Mat::from_fn(count, 2, |_, axis| rng.normal_f64() + if axis == 0 { shift } else { 0.0 })
}

fn problem(x: &Mat<f64>, y: &Mat<f64>, regularization: f64) -> Result<Transport> {
    let cost = cost(x.as_ref(), y.as_ref(), Metric::SqEuclidean)?;
    let even = |count: usize| vec![1.0 / count as f64; count];
    Ok(Transport::new(cost, even(x.nrows()), even(y.nrows()), regularization)?)
}

pub(super) fn solve(
    solver: &dyn Solve<Transport, Solution = Carried>,
    problem: &Transport,
    from: Option<&Carried>,
) -> Result<Report<Carried>> {
    let own = solver.stop();
    let stop = Stop { tolerance: own.tolerance.min(TOLERANCE), steps: own.steps.max(STEPS) };
    Ok(solver.solve(problem, from, stop, &mut Silent::watch)?)
}

/// ⟨C, P⟩ + (ε/2)·‖P‖².
fn value(problem: &Transport, plan: &Carried) -> f64 {
    let mut squares = 0.0;
    plan.plan.each(|_, _, mass| squares += mass * mass);
    plan.cost + problem.regularization() / 2.0 * squares
}

fn fullest(plan: &Carried) -> usize {
    let mut counts = vec![0; plan.plan.shape().1];
    plan.plan.each(|_, column, _| counts[column] += 1);
    counts.into_iter().max().unwrap_or(0)
}
