//! What sketches cost, and what they do for conjugate gradients.

use crate::{Result, findings::Finding};
use rankine_random::Rng;
use rankine_report::format;
use rankine_solve::regression::{
    Fit, Regression, conjugate_gradients::ConjugateGradients, normal_equations::NormalEquations,
    precondition::SketchAndPrecondition, qr::Qr, sketched,
};
use rankine_solve::{Mat, Outcome, Silent, Solve, Stop};

/// Seconds of one solver, sketch and all.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Time {
    pub rows: usize,
    pub columns: usize,
    pub solver: &'static str,
    pub seconds: f64,
    /// ‖A x − b‖ over the least.
    pub excess: f64,
}

/// Solvers that are timed.
pub(super) const CONTESTANTS: usize = 6;

type Solver = Box<dyn Solve<Regression, Solution = Fit>>;

fn contestants() -> [(&'static str, Solver); CONTESTANTS] {
    let rough = 1.0;
    [
        (QR, Box::new(Qr::default())),
        (NORMAL, Box::new(NormalEquations::default())),
        (SRHT, Box::new(sketched::Srht { eps: rough, ..Default::default() })),
        ("Count-Sketch, 4·d rows", Box::new(sketched::CountSketch { eps: rough, ..Default::default() })),
        ("OSNAP, 4·d rows", Box::new(sketched::Osnap { eps: rough, ..Default::default() })),
        ("sketch and precondition", Box::new(SketchAndPrecondition::default())),
    ]
}

const QR: &str = "QR";
const NORMAL: &str = "normal equations";
const SRHT: &str = "SRHT, 4·d rows";

/// Every contestant on Gaussian data; the second of two runs.
pub(super) fn times(rows: usize, columns: usize) -> Result<Vec<Time>> {
    let mut rng = Rng::new(2).fork("sketched_regression/times");
    let design = Mat::from_fn(rows, columns, |_, _| rng.normal_f64());
    let problem = Regression::new(design, (0..rows).map(|_| rng.normal_f64()).collect())?;
    let mut times: Vec<Time> = Vec::new();
    for (solver, contestant) in contestants() {
        let run = || contestant.solve(&problem, None, contestant.stop(), &mut Silent::watch);
        run()?;
        let report = run()?;
        times.push(Time { rows, columns, solver, seconds: report.seconds, excess: report.solution.distance });
    }
    // The first solves the whole problem exactly.
    let least = times.first().map_or(1.0, |first| first.excess);
    times.iter_mut().for_each(|time| time.excess /= least);
    Ok(times)
}

/// Conjugate gradients on one design.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Descent {
    pub condition: f64,
    pub solver: &'static str,
    /// Residual after every step.
    pub residuals: Vec<f64>,
    pub converged: bool,
}

pub(super) const PLAIN: &str = "conjugate gradients";
pub(super) const SKETCHED: &str = "after a sketch";

/// Steps that conjugate gradients get.
const STEPS: usize = 200;

/// With a sketch and without one, on designs of several conditions.
pub(super) fn descents(rows: usize, columns: usize, conditions: &[f64]) -> Result<Vec<Descent>> {
    let stop = Stop { steps: STEPS, tolerance: 1e-9 };
    let solvers: [(&'static str, Solver); 2] = [
        (PLAIN, Box::new(ConjugateGradients::default())),
        (SKETCHED, Box::new(SketchAndPrecondition::default())),
    ];
    let mut descents = Vec::new();
    for &condition in conditions {
        let problem = tilted(rows, columns, condition)?;
        for (solver, contestant) in &solvers {
            let report = contestant.solve(&problem, None, stop, &mut Silent::watch)?;
            descents.push(Descent {
                condition,
                solver,
                residuals: report.trace.iter().map(|step| step.residual).collect(),
                converged: report.outcome == Outcome::Converged,
            });
        }
    }
    Ok(descents)
}

/// Columns whose lengths fall from 1 to 1/condition, mixed by a rotation of neighbours.
fn tilted(rows: usize, columns: usize, condition: f64) -> Result<Regression> {
    let mut rng = Rng::new(3).fork("sketched_regression/condition");
    let length = |column: usize| condition.powf(-(column as f64) / (columns.max(2) - 1) as f64);
    let mut design = Mat::from_fn(rows, columns, |_, column| length(column) * rng.normal_f64());
    let (sine, cosine) = 0.6f64.sin_cos();
    for column in 1..columns {
        for row in 0..rows {
            let (left, right) = (design[(row, column - 1)], design[(row, column)]);
            design[(row, column - 1)] = cosine * left - sine * right;
            design[(row, column)] = sine * left + cosine * right;
        }
    }
    Ok(Regression::new(design, (0..rows).map(|_| rng.normal_f64()).collect())?)
}

pub(super) fn findings(times: &[Time], descents: &[Descent]) -> Vec<Finding> {
    let seconds = |like: &Time, solver: &str| {
        let own = |time: &&Time| (time.rows, time.columns, time.solver) == (like.rows, like.columns, solver);
        times.iter().find(own).map_or(f64::NAN, |time| time.seconds)
    };
    let sizes: Vec<&Time> = times.iter().filter(|time| time.solver == QR).collect();
    let words = sizes.iter().map(|size| {
        let [qr, srht, normal] = [QR, SRHT, NORMAL].map(|solver| format::duration(seconds(size, solver)));
        format!("[{}, {}]: {srht} against {qr}; normal equations {normal}", size.rows, size.columns)
    });
    let worst = |solver: &str| {
        let steps = descents.iter().filter(|descent| descent.solver == solver && descent.converged);
        steps.map(|descent| descent.residuals.len()).max().unwrap_or_default()
    };
    let all = |solver: &str| {
        descents.iter().filter(|descent| descent.solver == solver).all(|descent| descent.converged)
    };
    vec![
        Finding::new(
            "a Hadamard sketch of 4·d rows with its solution is faster than a QR decomposition of the whole",
            "S·A in O(n·d·log n) (theorem)",
            words.collect::<Vec<_>>().join("; "),
            sizes.iter().all(|size| seconds(size, SRHT) < seconds(size, QR)),
        ),
        Finding::new(
            "with the basis of a sketch, conjugate gradients take some 20 to 40 steps whatever the condition",
            "not in the paper; the use that its sketch is put to",
            format!("{} steps at most; without it {}", worst(SKETCHED), plain_words(descents)),
            all(SKETCHED) && worst(SKETCHED) <= 40,
        ),
    ]
}

fn plain_words(descents: &[Descent]) -> String {
    let plain = descents.iter().filter(|descent| descent.solver == PLAIN);
    let words = plain.map(|Descent { condition, residuals, converged, .. }| match converged {
        true => format!("{} at {condition:e}", residuals.len()),
        false => format!("not within {} at {condition:e}", residuals.len()),
    });
    words.collect::<Vec<_>>().join(", ")
}
