//! `rankine solve regress-kronecker`.

use super::files;
use super::options::help;
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::Result;
use rankine_data::arrays::{Array, Matrix};
use rankine_solve::Mat;
use rankine_solve::regression::Fit;
use rankine_solve::regression::kronecker::{KroneckerRegression, KroneckerSolver};
use std::path::{Path, PathBuf};

/// Fit the coefficients of a linear model whose design is a Kronecker product, which is never formed
///
/// The design is the product of two factors, [n1, d1] and [n2, d2]: row i · n2 + j is row i of the first times row j of the second,
/// coefficient p · d2 + q likewise. A target [n1, n2] and coefficients [d1, d2] are read and written row after row. --output: `.npz`
/// with coefficients [d1 · d2]; `.npy` and `.csv` with the same.
#[derive(clap::Args)]
#[command(after_help = help::<KroneckerSolver>(EXAMPLES))]
pub struct RegressKronecker {
    /// The factors; [n1, d1] and [n2, d2], at least as many rows as columns each
    #[arg(long, num_args = 2, value_names = ["A", "B"], required = true)]
    factors: Vec<PathBuf>,
    /// Target; [n1 · n2] or [n1, n2]
    #[arg(long, value_name = "FILE")]
    target: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve regress-kronecker --factors A.npy B.npy --target y.npy --output x.npy
  rankine solve regress-kronecker --factors A.npy B.npy --target y.npy --solver tensor-srht --set eps=0.1
  rankine solve regress-kronecker --factors A.npy B.npy --target z.npy --solver conjugate-gradients --start x.npy
  rankine solve compare regress-kronecker --factors A.npy B.npy --target y.npy";

impl RegressKronecker {
    /// The target, row after row, of factors with these rows; [n1 · n2].
    fn target(&self, first: &Mat<f64>, second: &Mat<f64>) -> Result<Vec<f64>> {
        let path = &self.target;
        let Array { shape, values } = Matrix::read(path, "target")?.dense(path)?;
        let [rows, columns] = [first.nrows(), second.nrows()];
        let is_whole = files::is_vector(&shape) && values.len() == rows * columns;
        if is_whole || shape == [rows, columns] {
            return Ok(values);
        }
        let message = format!(
            "the target `{}` has the shape {shape:?}; expected [{}] or [{rows}, {columns}], as the factors have {rows} and \
             {columns} rows",
            path.display(),
            rows * columns
        );
        let hint = match shape == [columns, rows] {
            true => "transpose it: its rows are those of the first factor",
            false => "give one number for every row of the first factor with every row of the second",
        };
        Err(Failure::with_hint(message, hint).into())
    }
}

impl Question for RegressKronecker {
    type Solvers = KroneckerSolver;
    type Known = ();
    const NAME: &'static str = "Kronecker regression";
    const ENDINGS: &'static [&'static str] = &["npz", "npy", "csv"];

    fn solver(&self) -> &'static str {
        "exact"
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.factors.iter().chain([&self.target]).cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        // The command line asks for two.
        let (first, second) = (&self.factors[0], &self.factors[1]);
        let (first, second) = (files::matrix(first, "factor_1")?, files::matrix(second, "factor_2")?);
        let target = self.target(&first, &second)?;
        Ok(Posed { problem: KroneckerRegression::new(first, second, target)?, known: () })
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Fit> {
        let coefficients = files::start(path, "coefficients", posed.problem.columns())?;
        Ok(Fit { coefficients, distance: f64::NAN, rows: 0, condition: None })
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&KroneckerSolver>) -> String {
        let [first, second] = posed.problem.factors().map(|factor| factor.shape());
        format!("{} by {} times {} by {}", first.0, first.1, second.0, second.1)
    }

    fn facts(&self, _: &Posed<Self>, solution: &Fit) -> Facts {
        let mut facts = vec![("rows used", solution.rows as f64)];
        facts.extend(solution.condition.map(|condition| ("condition", condition)));
        facts
    }

    fn write(&self, _: &Posed<Self>, solution: &Fit, path: &Path) -> Result<()> {
        let coefficients = files::from_vector(&solution.coefficients);
        match files::ending(path).as_str() {
            "npz" => files::write_npz(path, &[("coefficients", coefficients)]),
            _ => files::write_array(path, &coefficients),
        }
    }
}
