//! `rankine solve linear`.

use super::files;
use super::options::{help, settings};
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::{Context as _, Result};
use rankine_data::arrays::{Matrix, SIDE_LIMIT};
use rankine_solve::Error;
use rankine_solve::linear::{Drive, LinearSolver, LinearSystem, Obstacle, SparseSymmetric, Unknowns};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Solve a linear system with a symmetric positive definite matrix
///
/// The matrix is a sparse `.mtx`, or any file of a dense one. The residual is ‖b − A·x‖ / ‖b‖; without a --tolerance it falls to
/// 1e-8, by `dcdm` to 1e-4. --output: `.npy` and `.csv` with the solution [n].
#[derive(clap::Args)]
#[command(after_help = help::<LinearSolver>(EXAMPLES))]
pub struct Linear {
    /// Matrix; [n, n]
    #[arg(long, value_name = "FILE", required_unless_present = "random", requires = "right")]
    matrix: Option<PathBuf>,
    /// Right-hand side; [n]
    #[arg(long, value_name = "FILE", requires = "matrix")]
    right: Option<PathBuf>,
    /// Draw the pressure of a fluid on a grid instead: shape, obstacle (nothing, ball, blocks), drive (white, smooth, points,
    /// divergence), seed
    #[arg(long, value_name = "KEY=VALUE", num_args = 0.., conflicts_with_all = ["matrix", "right"])]
    random: Option<Vec<String>>,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve linear --matrix A.mtx --right b.npy --output x.npy
  rankine solve linear --matrix A.mtx --right b.npy --solver incomplete-cholesky --tolerance 1e-10
  rankine solve linear --matrix A.mtx --right c.npy --start x.npy --output y.npy
  rankine solve linear --random shape=[256,256] 'obstacle={ball={radius=0.2}}' drive=divergence --solver multigrid
  rankine solve compare linear --random shape=[32,32,32]";

/// A problem to draw.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Random {
    shape: Vec<usize>,
    obstacle: Obstacle,
    drive: Drive,
    seed: u64,
}

impl Default for Random {
    fn default() -> Self {
        Self { shape: vec![64, 64], obstacle: Obstacle::Nothing, drive: Drive::Divergence, seed: 0 }
    }
}

/// The matrix of a file, for a right-hand side of so many entries.
fn matrix(path: &Path, count: usize) -> Result<SparseSymmetric> {
    match Matrix::read(path, "matrix")? {
        Matrix::Sparse(sparse) if sparse.rows == sparse.columns => {
            // Few entries may announce many rows: this comes before anything is made of that length.
            size(count, sparse.rows)?;
            Ok(SparseSymmetric::new(sparse.rows, sparse.entries)?)
        }
        Matrix::Sparse(sparse) => {
            let message =
                format!("`{}` has {} rows and {} columns", path.display(), sparse.rows, sparse.columns);
            Err(Failure::with_hint(message, "a system to solve here is square; `regress` takes tall ones")
                .into())
        }
        Matrix::Dense(_) => Ok(SparseSymmetric::from_dense(files::matrix(path, "matrix")?.as_ref())?),
    }
}

/// Whether a right-hand side has as many entries as the matrix rows.
fn size(found: usize, expected: usize) -> Result<(), Error> {
    let (what, unit, reason) = ("the right-hand side", "entries", "the matrix has so many rows");
    if found == expected { Ok(()) } else { Err(Error::Size { what, unit, found, expected, reason }) }
}

/// Whether a grid has no more cells than a system may have unknowns.
fn check_grid(shape: &[usize]) -> Result<()> {
    let cells = shape.iter().fold(1_usize, |cells, &side| cells.saturating_mul(side));
    if cells <= SIDE_LIMIT {
        return Ok(());
    }
    let message = format!("a grid of the shape {shape:?} has more than {SIDE_LIMIT} cells");
    Err(Failure::with_hint(message, "draw a smaller one").into())
}

impl Question for Linear {
    type Solvers = LinearSolver;
    type Known = ();
    const NAME: &'static str = "linear system";
    const ENDINGS: &'static [&'static str] = &["npy", "csv"];

    fn solver(&self) -> &'static str {
        "incomplete-cholesky"
    }

    /// The solvers stop where their page does, at 1e-4: too early for a solution to go on with.
    fn tolerance(solver: &LinearSolver) -> Option<f64> {
        // Its hundred steps are meant for that.
        (!matches!(solver, LinearSolver::Dcdm(_))).then_some(1e-8)
    }

    fn inputs(&self) -> Vec<PathBuf> {
        [&self.matrix, &self.right].into_iter().flatten().cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        if let Some(changes) = &self.random {
            let random = settings("", changes).context("while reading `--random`")?;
            let Random { shape, obstacle, drive, seed } = random;
            check_grid(&shape)?;
            let grid = obstacle.poisson(&shape)?;
            let right = drive.values(&grid, seed);
            return Ok(Posed { problem: LinearSystem::new(grid, right)?, known: () });
        }
        // The command line asks for both.
        let [path, right] = [&self.matrix, &self.right].map(|path| path.as_deref().unwrap_or(Path::new("")));
        let right = files::vector(right, "right")?;
        let problem = LinearSystem::new(matrix(path, right.len())?, right)?;
        Ok(Posed { problem, known: () })
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Unknowns> {
        let x = files::start(path, "x", posed.problem.rhs().len())?;
        Ok(Unknowns { x, residual: f64::NAN, products: 0, replaced: 0 })
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&LinearSolver>) -> String {
        let frozen = posed.problem.frozen().len();
        format!("{} unknowns, {frozen} of them held at zero", posed.problem.rhs().len())
    }

    fn facts(&self, _: &Posed<Self>, solution: &Unknowns) -> Facts {
        vec![("products", solution.products as f64), ("directions replaced", solution.replaced as f64)]
    }

    fn write(&self, _: &Posed<Self>, solution: &Unknowns, path: &Path) -> Result<()> {
        files::write_array(path, &files::from_vector(&solution.x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_solve::linear::{cg::Cg, dcdm::Dcdm};

    #[test]
    fn a_solution_has_eight_digits() {
        assert_eq!(Linear::tolerance(&LinearSolver::Cg(Cg {})), Some(1e-8));
        assert_eq!(Linear::tolerance(&LinearSolver::Dcdm(Dcdm::default())), None);
    }
}
