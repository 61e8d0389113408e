//! Plans between two distributions on a line, as maps.

use super::clouds::solve;
use crate::Result;
use rankine_report::{Axis, Heat};
use rankine_solve::transport::{
    Plan as Carried, Transport, exact::Exact, quadratic::Quadratic, sinkhorn::Sinkhorn,
    sparsity_constrained::SparsityConstrained,
};
use rankine_solve::{Mat, Solve};

/// ε of the entropy, and of the squares.
const ENTROPY: f64 = 5e-3;
const SQUARES: f64 = 1.0;

/// The plans of a Gaussian onto a mixture of two, cell by cell.
pub(super) fn run(cells: usize) -> Result<Vec<Heat>> {
    let place = |cell: usize| (cell as f64 + 0.5) / cells as f64;
    let bump =
        |cell: usize, mean: f64, deviation: f64| (-((place(cell) - mean) / deviation).powi(2) / 2.0).exp();
    let source = shares((0..cells).map(|cell| bump(cell, 0.3, 0.1)));
    let target = shares((0..cells).map(|cell| bump(cell, 0.4, 0.06) + bump(cell, 0.8, 0.06)));
    let sparse = |max_nonzeros| SparsityConstrained { max_nonzeros, ..Default::default() };
    let (two, four) = (sparse(2), sparse(4));
    let solvers: [(&str, f64, &dyn Solve<Transport, Solution = Carried>); 5] = [
        ("no penalty", 0.0, &Exact::default()),
        ("entropy", ENTROPY, &Sinkhorn::default()),
        ("squares", SQUARES, &Quadratic::default()),
        ("squares, k = 2", SQUARES, &two),
        ("squares, k = 4", SQUARES, &four),
    ];
    let map = |(name, regularization, solver): (&str, f64, &dyn Solve<Transport, Solution = Carried>)| {
        let cost = Mat::from_fn(cells, cells, |i, j| (place(i) - place(j)).powi(2));
        let problem = Transport::new(cost, source.clone(), target.clone(), regularization)?;
        let plan = solve(solver, &problem, None)?.solution.plan.dense();
        let rows = (0..cells).map(|i| (0..cells).map(|j| plan[(i, j)]).collect()).collect();
        Ok(Heat::new(format!("Plan: {name}"), Axis::linear("mass"), rows))
    };
    solvers.into_iter().map(map).collect()
}

/// Over their sum.
fn shares(heights: impl Iterator<Item = f64>) -> Vec<f64> {
    let heights: Vec<f64> = heights.collect();
    let sum: f64 = heights.iter().sum();
    heights.into_iter().map(|height| height / sum).collect()
}
