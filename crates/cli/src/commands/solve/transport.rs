//! `rankine solve transport`.

use super::files;
use super::options::{at_least_zero, help, word};
use super::question::{Facts, Posed, Question};
use anyhow::Result;
use rankine_data::arrays::matrix_market;
use rankine_data::arrays::npz::Writer;
use rankine_solve::Mat;
use rankine_solve::transport::points::{self, Metric};
use rankine_solve::transport::{self as library, Plan, TransportSolver};
use std::path::{Path, PathBuf};

/// Carry one distribution of mass over to another at the least cost
///
/// The cost of every pair is given, or two clouds of points and a metric; masses are uniform where none are given. With a
/// regularisation the plan is smooth, without one it is exact. --output: `.npz` with the arrays plan [n, m] and, where the solver
/// has them, source_potential [n] and target_potential [m]; `.npy` and `.csv` with the plan; `.mtx` with its entries above zero.
#[derive(clap::Args)]
#[command(after_help = help::<TransportSolver>(EXAMPLES))]
pub struct Transport {
    /// Cost of carrying a unit from each row to each column; [n, m]
    #[arg(long, value_name = "FILE", required_unless_present = "points")]
    cost: Option<PathBuf>,
    /// Points of the source [n, d] and of the target [m, d], a point a row, in the place of a cost
    #[arg(long, num_args = 2, value_names = ["X", "Y"], conflicts_with = "cost")]
    points: Vec<PathBuf>,
    /// Cost between two points: sqeuclidean, euclidean, cityblock or cosine
    #[arg(long, value_name = "NAME", default_value = "sqeuclidean", value_parser = word::<Metric>)]
    #[arg(conflicts_with = "cost")]
    metric: Metric,
    /// Mass of every row; [n]
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Mass of every column, as much in all; [m]
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    /// How strongly the plan is smoothed, in units of the cost; 0 for the exact plan
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = at_least_zero)]
    #[arg(allow_negative_numbers = true)]
    regularization: f64,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve transport --cost C.npy --source a.npy --target b.npy --output plan.npz
  rankine solve transport --points X.npy Y.npy --metric euclidean --output plan.mtx
  rankine solve transport --cost C.csv --regularization 1e-2 --solver sinkhorn --tolerance 1e-6 --html plan.html
  rankine solve transport --cost C.npy --regularization 1e-3 --start plan.npz --output finer.npz
  rankine solve transport --cost C.npy --regularization 1 --solver sparsity-constrained --set max_nonzeros=4";

impl Transport {
    /// The cost of every pair; [n, m].
    fn costs(&self) -> Result<Mat<f64>> {
        if let [source, target] = self.points.as_slice() {
            let (source, target) = (files::matrix(source, "points")?, files::matrix(target, "points")?);
            return Ok(points::cost(source.as_ref(), target.as_ref(), self.metric)?);
        }
        // The command line asks for one of the two.
        files::matrix(self.cost.as_deref().unwrap_or(Path::new("")), "cost")
    }
}

/// The masses of a file, or as much everywhere.
fn masses(path: Option<&Path>, name: &str, count: usize) -> Result<Vec<f64>> {
    path.map_or_else(|| Ok(vec![1.0 / count.max(1) as f64; count]), |path| files::vector(path, name))
}

/// Whether a solver takes no regularisation.
fn is_exact(solver: &TransportSolver) -> bool {
    matches!(solver, TransportSolver::Exact(_))
}

impl Question for Transport {
    type Solvers = TransportSolver;
    type Known = ();
    const NAME: &'static str = "transport";
    const ENDINGS: &'static [&'static str] = &["npz", "npy", "csv", "mtx"];

    fn solver(&self) -> &'static str {
        if self.regularization == 0.0 { "exact" } else { "sinkhorn-newton-sparse" }
    }

    fn inputs(&self) -> Vec<PathBuf> {
        let single = [&self.cost, &self.source, &self.target].into_iter().flatten();
        single.chain(&self.points).cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        let cost = self.costs()?;
        let source = masses(self.source.as_deref(), "source", cost.nrows())?;
        let target = masses(self.target.as_deref(), "target", cost.ncols())?;
        let problem = library::Transport::new(cost, source, target, self.regularization)?;
        Ok(Posed { problem, known: () })
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Plan> {
        let mut archive = files::solution(path)?;
        let mut potential = |name: &str, count: usize| -> Result<Vec<f64>> {
            let array = archive.array(name)?;
            files::check_start(path, name, &array, &[count], |value| value.is_nan()).map(|()| array.values)
        };
        let source_potential = potential("source_potential", posed.problem.source().len())?;
        let target_potential = potential("target_potential", posed.problem.target().len())?;
        // Solvers start from the potentials alone.
        Ok(Plan { plan: Mat::<f64>::zeros(0, 0).into(), source_potential, target_potential, cost: 0.0 })
    }

    fn lead(&self, posed: &Posed<Self>, solver: Option<&TransportSolver>) -> String {
        let (rows, columns) = (posed.problem.source().len(), posed.problem.target().len());
        let regularization = if solver.is_some_and(is_exact) { 0.0 } else { self.regularization };
        format!("from {rows} places to {columns}, regularization {regularization}")
    }

    fn left_out(&self, solver: &TransportSolver) -> Option<String> {
        let given = self.regularization;
        let told =
            || format!("`exact` leaves the regularization of {given} out: its plan has the least cost");
        (is_exact(solver) && 0.0 < given).then(told)
    }

    fn facts(&self, _: &Posed<Self>, solution: &Plan) -> Facts {
        vec![("cost", solution.cost), ("nonzeros", solution.plan.nonzeros() as f64)]
    }

    fn write(&self, _: &Posed<Self>, solution: &Plan, path: &Path) -> Result<()> {
        // A plan may be most of what memory holds: it is written as it lies there.
        let Plan { plan, source_potential, target_potential, .. } = solution;
        let (rows, columns) = plan.shape();
        if files::ending(path) == "mtx" {
            return files::write_with(path, |target| {
                matrix_market::begin(target, (rows, columns), plan.nonzeros())?;
                let mut written = Ok(());
                plan.each(|row, column, mass| {
                    if written.is_ok() {
                        written = matrix_market::write_entry(target, (row, column, mass));
                    }
                });
                Ok(written?)
            });
        }
        let whole: &Mat<f64> = &plan.whole();
        if files::ending(path) != "npz" {
            return files::write_values(path, &[rows, columns], files::by_rows(whole.as_ref()));
        }
        files::write_with(path, |target| {
            let mut writer = Writer::onto(path, target);
            writer.add_values("plan", &[rows, columns], files::by_rows(whole.as_ref()))?;
            for (name, potential) in
                [("source_potential", source_potential), ("target_potential", target_potential)]
            {
                if !potential.is_empty() {
                    writer.add_values(name, &[potential.len()], potential.iter().copied())?;
                }
            }
            writer.close()?;
            Ok(())
        })
    }
}
