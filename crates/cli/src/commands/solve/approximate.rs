//! `rankine solve approximate`.

use super::files;
use super::options::{help, word};
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::Result;
use rankine_data::arrays::Array;
use rankine_solve::approximation::{
    Approximation, ApproximationSolver, Design, Family, LeastSquaresInSpace, Span, TensorSpace,
};
use rankine_solve::{Error, Outcome};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Choose points at which a function is to be asked, for its best approximation in a space
///
/// The space is made of products of Legendre or Hermite polynomials, or of waves. One of the named functions is approximated at
/// once; without one the points are chosen, to be asked elsewhere: with f there, `solve regress` fits the target
/// sqrt(weights / n) · f by the design rows. --output: `.npz` with the arrays points [n, dimensions], weights [n], rows [n,
/// functions] and, with --function, coefficients [functions]; `.npy` and `.csv` with the points.
#[derive(clap::Args)]
#[command(after_help = help::<ApproximationSolver>(EXAMPLES))]
pub struct Approximate {
    /// Functions of one variable: legendre on [-1, 1], hermite on the line, fourier on [0, 1)
    #[arg(long, value_name = "NAME", default_value = "legendre", value_parser = word::<Family>)]
    family: Family,
    /// Coordinates of a point
    #[arg(long, value_name = "N", default_value_t = 1)]
    dimensions: usize,
    /// How far the orders of the factors go, which are degrees, or frequencies; in one dimension they are those below this
    #[arg(long, value_name = "N", default_value_t = 10)]
    level: usize,
    /// Products that are taken: cross (their orders + 1 multiply to --level at most), total (orders add up to less), tensor (every
    /// order is below it)
    #[arg(long, value_name = "NAME", default_value = "cross", value_parser = word::<Span>)]
    span: Span,
    /// What is approximated: exp (of the sum of the coordinates), runge (1 / (1 + 25·‖x‖²)) or abs (sum of |x|)
    #[arg(long, value_name = "NAME", value_parser = word::<Function>)]
    function: Option<Function>,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve approximate --level 20 --function runge
  rankine solve approximate --dimensions 3 --level 8 --output design.npz
  rankine solve approximate --dimensions 2 --level 6 --span total --function exp
  rankine solve approximate --family hermite --level 12 --solver optimal-iid --set oversampling=3
  rankine solve compare approximate --dimensions 2 --level 12 --function exp";

/// A function to try things on.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Function {
    Exp,
    Runge,
    Abs,
}

impl Function {
    fn value(self, point: &[f64]) -> f64 {
        match self {
            Self::Exp => point.iter().sum::<f64>().exp(),
            Self::Runge => (1.0 + 25.0 * point.iter().map(|x| x * x).sum::<f64>()).recip(),
            Self::Abs => point.iter().map(|x| x.abs()).sum(),
        }
    }
}

impl Approximate {
    /// What is wrong with a space, by the level that makes it.
    fn too_high(&self, error: Error) -> anyhow::Error {
        let level = self.level;
        let message = match error {
            Error::Fit { name: "size", most, .. } => {
                format!("`--level {level}` makes more than {most} functions")
            }
            Error::Fit { name: "degree", most, .. } => {
                format!("`--level {level}` makes functions above the degree {most}")
            }
            _ => return error.into(),
        };
        let fewer = if 1 < self.dimensions { ", or fewer `--dimensions`" } else { "" };
        Failure::with_hint(message, format!("give a smaller `--level`{fewer}")).into()
    }
}

impl Question for Approximate {
    type Solvers = ApproximationSolver;
    type Known = ();
    const NAME: &'static str = "approximation";
    const ENDINGS: &'static [&'static str] = &["npz", "npy", "csv"];
    const STARTS: bool = false;

    fn solver(&self) -> &'static str {
        "volume-sampling"
    }

    fn inputs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        let space = TensorSpace::products(self.family, self.dimensions, self.level, self.span);
        let space = space.map_err(|error| self.too_high(error))?;
        let function = self.function;
        let value = move |point: &[f64]| function.map_or(0.0, |function| function.value(point));
        Ok(Posed { problem: LeastSquaresInSpace::new(space, value)?, known: () })
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&ApproximationSolver>) -> String {
        let space = posed.problem.space();
        format!("{} functions of {} coordinates", space.size(), space.dimensions())
    }

    fn facts(&self, _: &Posed<Self>, solution: &Approximation) -> Facts {
        let Approximation { design, draws, distance, .. } = solution;
        let mut facts = vec![
            ("points", design.points.len() as f64),
            ("draws", *draws as f64),
            ("smallest eigenvalue", design.smallest),
        ];
        facts.extend(self.function.map(|_| ("distance", *distance)));
        facts
    }

    fn remedy(&self, outcome: Outcome) -> Option<&'static str> {
        (outcome == Outcome::Interrupted).then_some("give it more time: further draws may be better")
    }

    fn write(&self, _: &Posed<Self>, solution: &Approximation, path: &Path) -> Result<()> {
        let Design { points, weights, rows, .. } = &solution.design;
        let points = Array { shape: vec![points.len(), self.dimensions], values: points.concat() };
        if files::ending(path) != "npz" {
            return files::write_array(path, &points);
        }
        let mut arrays = vec![
            ("points", points),
            ("weights", files::from_vector(weights)),
            ("rows", files::from_matrix(rows.as_ref())),
        ];
        arrays.extend(self.function.map(|_| ("coefficients", files::from_vector(&solution.coefficients))));
        files::write_npz(path, &arrays)
    }
}
