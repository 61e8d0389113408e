//! The toy of the paper: eleven points of a noisy sine.

use super::{Case, Path, curves};
use crate::{
    Result,
    findings::{self, Finding},
};
use rankine_report::{Cell, Column, Page, Table, format};
use rankine_solve::theory::kernel::KernelRegression;
use rankine_solve::theory::self_distillation::optimal_chain;
use rankine_solve::{Mat, MatRef};
use std::f64::consts::PI;

/// The paper's toy.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Toy {
    paths: Vec<Path>,
    /// The best weights, unclipped, and their errors.
    chain: Vec<(f64, f64)>,
    best_ridge: (f64, f64),
}

/// Eleven noisy values of a sine at 0, 0.1, … 1, from the released code.
const SINE: [f64; 11] = [
    0.38476636465198066,
    1.2333967683416893,
    1.33232242217057,
    0.6920159488889518,
    -0.29756145531871736,
    -0.24189291901377769,
    -0.7964485769175675,
    -0.9616480167034174,
    -0.49672509509916934,
    -0.3469066003991437,
    0.5589512650600734,
];

/// Weights and released errors of six steps; the table names 0.35 "0.25".
const RELEASED: [(f64, [f64; 6]); 2] = [
    (0.0, [0.164773, 0.150756, 0.149154, 0.155605, 0.167352, 0.182511]),
    (0.35, [0.164773, 0.154241, 0.150885, 0.149834, 0.149535, 0.149477]),
];

impl Toy {
    pub fn measure() -> Result<Self> {
        let ridge = 0.2;
        let [x, grid] =
            [10, 100].map(|last| (0..=last).map(|i| f64::from(i) / f64::from(last)).collect::<Vec<_>>());
        let kernel = |left: &[f64], right: &[f64]| {
            Mat::from_fn(left.len(), right.len(), |i, j| (-80.0 * (left[i] - right[j]).powi(2)).exp())
        };
        let targets = MatRef::from_column_major_slice(&SINE, SINE.len(), 1);
        let regression = KernelRegression::new(kernel(&x, &x).as_ref(), targets)?;
        let rotated = regression.rotated(kernel(&grid, &x).as_ref())?;
        let targets = Mat::from_fn(grid.len(), 1, |i, _| (2.0 * PI * grid[i]).sin());
        let case = Case { regression, rotated, targets };
        let paths = [0.0, 0.25, 0.35, 1.0]
            .into_iter()
            .map(|truth| case.path(ridge, truth, 40))
            .collect::<Result<_>>()?;
        let data = (case.rotated.as_ref(), case.targets.as_ref());
        let chain = optimal_chain(&case.regression, data, ridge, 6, f64::NEG_INFINITY..=f64::INFINITY)?;
        let chain = chain.into_iter().map(|link| (link.raw, link.error)).collect();
        Ok(Self { paths, chain, best_ridge: case.best_ridge()? })
    }

    fn path(&self, truth: f64) -> Option<&Path> {
        self.paths.iter().find(|path| path.truth == truth)
    }

    pub fn findings(&self) -> Vec<Finding> {
        let apart = RELEASED.iter().flat_map(|(truth, errors)| {
            self.path(*truth)
                .into_iter()
                .flat_map(move |path| path.errors.iter().zip(errors).map(|(x, y)| (x - y).abs()))
        });
        let apart = findings::largest(apart);
        let (alone, mixed) = (self.path(0.0), self.path(0.35));
        let last =
            |path: Option<&Path>| path.and_then(|path| path.errors.last().copied()).unwrap_or(f64::NAN);
        let end = |path: Option<&Path>| path.map_or(f64::NAN, |path| path.limit);
        vec![
            Finding::new(
                "the errors of the toy are the released ones",
                "two rows of six numbers",
                format!("largest difference {apart:.1e}"),
                apart < 1e-5,
            ),
            Finding::new(
                "without the truth the fit goes to 0, with it to ridge regression with λ/α",
                "it goes to 0; our reproduction of the toy: errors 0.495 and 0.150 in the limit",
                format!(
                    "after 40 steps {} (limit {}) and {} (limit {})",
                    format::number(last(alone), 4),
                    format::number(end(alone), 4),
                    format::number(last(mixed), 4),
                    format::number(end(mixed), 4)
                ),
                (last(alone) - end(alone)).abs() < 0.05 && (last(mixed) - end(mixed)).abs() < 1e-6,
            ),
        ]
    }

    pub fn show(&self, page: &mut Page) {
        page.section("A. Eleven points of a noisy sine");
        let plot = curves("Mean squared error to the sine", &self.paths);
        let columns =
            [Column::number("Step"), Column::number("Best weight of the truth"), Column::number("Error")];
        let mut table = Table::new(columns).caption(format!(
            "Weights that are best for the sine itself, not kept in [0, 1]; the best ridge alone, λ = {}, has the error {}",
            format::number(self.best_ridge.0, 3),
            format::number(self.best_ridge.1, 4)
        ));
        for (step, (raw, error)) in self.chain.iter().enumerate() {
            table.row([Cell::Count(step as u64 + 1), Cell::number(*raw, 4), Cell::fixed(*error, 6)]);
        }
        page.plot(plot).table(table);
    }
}
