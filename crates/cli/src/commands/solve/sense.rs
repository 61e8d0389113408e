//! `rankine solve sense`.

use super::files;
use super::options::{help, settings};
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::{Context as _, Result};
use rankine_data::arrays::Matrix;
use rankine_solve::Mat;
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::{Measure, Noise, Packed, Plain, Planted, Sensing, SensingSolver};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Find a matrix of low rank by linear measurements of it, of which some may be garbage
///
/// A measurement is the sum of the entries of the matrix, each times the one of a measurement matrix at its place. --output: `.npz`
/// with the arrays left [rows, rank] and right [columns, rank], whose product is the matrix; `.npy` and `.csv` with the product.
#[derive(clap::Args)]
#[command(after_help = help::<SensingSolver>(EXAMPLES))]
pub struct Sense {
    /// Measurement matrices, .npy or .npz; [m, rows, columns]
    #[arg(long, value_name = "FILE", required_unless_present = "random", requires = "measured")]
    operator: Option<PathBuf>,
    /// What was measured; [m]
    #[arg(long, value_name = "FILE", requires = "operator")]
    measured: Option<PathBuf>,
    /// Draw a problem with a known answer instead: rows, columns, rank, condition, count, outliers, deviation, seed
    #[arg(long, value_name = "KEY=VALUE", num_args = 0.., conflicts_with_all = ["operator", "measured"])]
    random: Option<Vec<String>>,
    /// Columns of the factors: the rank of the matrix, or more
    #[arg(long, value_name = "N")]
    rank: usize,
    /// The matrix is symmetric and positive semidefinite
    #[arg(long)]
    positive: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve sense --operator A.npy --measured y.npy --rank 3 --output factors.npz
  rankine solve sense --random rows=40 columns=40 rank=2 outliers=0.2 deviation=10 --rank 4 --positive
  rankine solve compare sense --random --rank 2 --positive";

/// A problem to draw: normal measurement matrices; a share of outliers, or else noise everywhere, with this deviation.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Random {
    rows: usize,
    columns: usize,
    rank: usize,
    condition: f64,
    count: usize,
    outliers: f64,
    deviation: f64,
    seed: u64,
}

impl Default for Random {
    fn default() -> Self {
        let (rows, columns, rank, condition) = (30, 30, 2, 2.0);
        Self { rows, columns, rank, condition, count: 1000, outliers: 0.0, deviation: 0.0, seed: 0 }
    }
}

impl Random {
    fn noise(&self) -> Noise {
        match (self.outliers, self.deviation) {
            (0.0, 0.0) => Noise::None,
            (0.0, deviation) => Noise::Gaussian { deviation },
            (share, deviation) => Noise::Outliers { share, deviation },
        }
    }
}

impl Sense {
    fn drawn(&self, random: &Random) -> Result<Posed<Self>> {
        let &Random { rows, columns, rank, condition, count, seed, .. } = random;
        let planted = Planted { rank, condition, bound: self.rank, noise: random.noise(), seed };
        let plain = Plain::<f64>::gaussian(count, rows, columns, seed)?;
        let plant = match self.positive {
            true => planted.positive(Arc::new(Packed::new(&plain)?))?,
            false => planted.rectangular(Arc::new(plain))?,
        };
        Ok(Posed { problem: plant.problem, known: Some(plant.truth) })
    }

    /// The problem of the files.
    fn measured(&self) -> Result<Sensing> {
        // The command line asks for both.
        let [path, measured] =
            [&self.operator, &self.measured].map(|path| path.as_deref().unwrap_or(Path::new("")));
        let array = Matrix::read(path, "operator")?.dense(path)?;
        let [_, rows, columns] = array.shape[..] else {
            let message = format!("`{}` has the shape {:?}", path.display(), array.shape);
            return Err(Failure::with_hint(message, "give measurement matrices as [m, rows, columns]").into());
        };
        let plain = Plain::<f64>::new(rows, columns, array.values)?;
        let operator: Arc<dyn Measure> =
            if self.positive { Arc::new(Packed::new(&plain)?) } else { Arc::new(plain) };
        Ok(Sensing::new(operator, files::vector(measured, "measured")?, self.rank)?)
    }
}

impl Question for Sense {
    type Solvers = SensingSolver;
    /// The matrix, where it was drawn.
    type Known = Option<Mat<f64>>;
    const NAME: &'static str = "sensing";
    const ENDINGS: &'static [&'static str] = &["npz", "npy", "csv"];

    fn solver(&self) -> &'static str {
        if self.positive { "subgradient" } else { "scaled-gradient" }
    }

    fn inputs(&self) -> Vec<PathBuf> {
        [&self.operator, &self.measured].into_iter().flatten().cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        let posed = match &self.random {
            Some(changes) => self.drawn(&settings("", changes).context("while reading `--random`")?)?,
            None => Posed { problem: self.measured()?, known: None },
        };
        // Of one that is positive semidefinite fewer may do.
        if !self.positive {
            posed.problem.enough()?;
        }
        Ok(posed)
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Factors> {
        let (rows, columns) = posed.problem.operator().shape();
        files::factors(path, rows, columns, self.rank)
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&SensingSolver>) -> String {
        let (rows, columns) = posed.problem.operator().shape();
        let count = posed.problem.measured().len();
        format!("{count} measurements of {rows} rows and {columns} columns, rank {}", self.rank)
    }

    fn warning(&self, posed: &Posed<Self>) -> Option<String> {
        let problem = &posed.problem;
        let (count, rank) = (problem.measured().len(), self.rank);
        let freedom = if self.positive { problem.symmetric_freedom() } else { problem.freedom() };
        let few = || {
            format!(
                "{count} measurements are fewer than the {freedom} degrees of freedom of a matrix of rank {rank}: they determine \
                 one of lower rank at most"
            )
        };
        (count < freedom).then(few)
    }

    fn facts(&self, posed: &Posed<Self>, solution: &Factors) -> Facts {
        let error = |truth: &Mat<f64>| {
            let found = if self.positive { solution.symmetric_product() } else { solution.product() };
            (&found - truth).norm_l2() / truth.norm_l2()
        };
        posed.known.iter().map(|truth| ("relative error", error(truth))).collect()
    }

    fn write(&self, _: &Posed<Self>, solution: &Factors, path: &Path) -> Result<()> {
        let Factors { left, right } = solution;
        if files::ending(path) == "npz" {
            let arrays = [("left", left), ("right", right)];
            return files::write_npz(
                path,
                &arrays.map(|(name, side)| (name, files::from_matrix(side.as_ref()))),
            );
        }
        files::write_array(path, &files::from_matrix(solution.product().as_ref()))
    }
}
