//! Tests of regression: laws of all solvers, what a sketch must be, products, agreement with scipy, refusals.

mod agreement;
mod laws;
mod precondition;
mod products;
mod refusals;
mod sketches;

use faer::Mat;
use rankine_random::Rng;
use rankine_solve::regression::{Fit, Regression, RegressionSolver};
use rankine_solve::{Error, Report, Silent, Solve};

fn gaussian(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
    let mut rng = Rng::new(seed).fork("design");
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed).fork("target");
    (0..count).map(|_| rng.normal_f64()).collect()
}

fn problem(rows: usize, columns: usize, seed: u64) -> Regression {
    Regression::new(gaussian(rows, columns, seed), normals(rows, seed)).unwrap()
}

/// Count-Sketch's counterexample: unit vectors, and a target in as many other rows.
fn hard(rows: usize, columns: usize) -> Regression {
    let design = Mat::from_fn(rows, columns, |row, column| f64::from(u8::from(row == column)));
    let share = (columns as f64).sqrt().recip();
    let target = (0..rows).map(|row| if (columns..2 * columns).contains(&row) { share } else { 0.0 });
    Regression::new(design, target.collect()).unwrap()
}

/// Columns at a small angle with each other, and of lengths that differ.
fn tilted(rows: usize, columns: usize, condition: f64) -> Mat<f64> {
    let raw = gaussian(rows, columns, 5);
    Mat::from_fn(rows, columns, |row, column| {
        let own = if column == 0 { 0.0 } else { raw[(row, column)] / condition };
        (raw[(row, 0)] + own) * (1.0 + column as f64)
    })
}

fn solve(solver: &dyn Solve<Regression, Solution = Fit>, problem: &Regression) -> Result<Report<Fit>, Error> {
    solver.solve(problem, None, solver.stop(), &mut Silent::watch)
}

fn exact(problem: &Regression) -> Fit {
    solve(RegressionSolver::Qr(Default::default()).solver(), problem).unwrap().solution
}

fn apart(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |largest, x| x.abs().max(largest))
}
