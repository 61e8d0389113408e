//! `rankine solve regress`.

use super::files;
use super::options::help;
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::Result;
use rankine_data::Error;
use rankine_data::arrays::csv::{self, Table};
use rankine_data::arrays::npz::Writer;
use rankine_solve::Mat;
use rankine_solve::regression::{Fit, Regression, RegressionSolver};
use std::path::{Path, PathBuf};

/// Fit the coefficients of a linear model by least squares, exactly or from a sketch
///
/// Design and target are given, or a table of which one column is the target and the others are the design. --output: `.npz`
/// with coefficients and, of a table with a first line, columns, their names; `.npy` and `.csv` with the coefficients.
#[derive(clap::Args)]
#[command(after_help = help::<RegressionSolver>(EXAMPLES))]
pub struct Regress {
    /// Design; [n, d], n at least d
    #[arg(long, value_name = "FILE", required_unless_present = "table", requires = "target")]
    design: Option<PathBuf>,
    /// Target; [n]
    #[arg(long, value_name = "FILE", requires = "design")]
    target: Option<PathBuf>,
    /// Table of numbers, .csv, .tsv or .txt, in the place of both; a first column without a name is left out as the names of rows
    #[arg(long, value_name = "FILE", requires = "column", conflicts_with_all = ["design", "target"])]
    table: Option<PathBuf>,
    /// Column of the table that is the target, by number from 1, names of rows not counted, or by name
    #[arg(long, value_name = "NAME", requires = "table")]
    column: Option<String>,
    /// Fit a constant as well, the last of the coefficients
    #[arg(long)]
    intercept: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve regress --design A.npy --target b.npy --output x.npy
  rankine solve regress --table houses.csv --column price --intercept --output model.npz
  rankine solve regress --design A.npy --target b.npy --solver sketch-and-precondition
  rankine solve compare regress --design A.npy --target b.npy";

/// A column of ones in a design is called this.
const INTERCEPT: &str = "intercept";

/// What the solvers are not told: names of the columns of the design, none where there are none.
type Names = Vec<String>;

impl Regress {
    /// Design, target and names.
    fn data(&self) -> Result<(Mat<f64>, Vec<f64>, Names)> {
        if let (Some(path), Some(column)) = (&self.table, &self.column) {
            return parts(csv::read(path)?, column, path);
        }
        // The command line asks for both.
        let [design, target] =
            [&self.design, &self.target].map(|path| path.as_deref().unwrap_or(Path::new("")));
        Ok((files::matrix(design, "design")?, files::vector(target, "target")?, Names::new()))
    }
}

/// A table into design, target and names of the design's columns.
fn parts(table: Table, column: &str, path: &Path) -> Result<(Mat<f64>, Vec<f64>, Names)> {
    let found = table.column(column).map_err(|fault| Error::Array { path: path.to_owned(), fault })?;
    let Table { mut names, array } = table;
    let (whole, width) = (files::to_matrix(&array), array.shape[1]);
    let missing = || {
        let known = if names.is_empty() { format!("1 to {width}") } else { names.join(", ") };
        let message = format!("`{}` has no column `{column}`", path.display());
        Failure::with_hint(message, format!("its columns are {known}"))
    };
    let target = found.ok_or_else(missing)?;
    if !names.is_empty() {
        names.remove(target);
    }
    let place = |index: usize| if index < target { index } else { index + 1 };
    let design = Mat::from_fn(whole.nrows(), width - 1, |row, index| whole[(row, place(index))]);
    let target = (0..whole.nrows()).map(|row| whole[(row, target)]).collect();
    Ok((design, target, names))
}

impl Question for Regress {
    type Solvers = RegressionSolver;
    type Known = Names;
    const NAME: &'static str = "regression";
    const ENDINGS: &'static [&'static str] = &["npz", "npy", "csv"];

    fn solver(&self) -> &'static str {
        "qr"
    }

    fn inputs(&self) -> Vec<PathBuf> {
        [&self.design, &self.target, &self.table].into_iter().flatten().cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        let (mut design, target, mut names) = self.data()?;
        if self.intercept {
            let width = design.ncols();
            let entry = |row: usize, column: usize| if column < width { design[(row, column)] } else { 1.0 };
            design = Mat::from_fn(design.nrows(), width + 1, entry);
            if !names.is_empty() {
                names.push(INTERCEPT.to_owned());
            }
        }
        Ok(Posed { problem: Regression::new(design, target)?, known: names })
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Fit> {
        let coefficients = files::start(path, "coefficients", posed.problem.design().ncols())?;
        Ok(Fit { coefficients, distance: f64::NAN, rows: 0, condition: None })
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&RegressionSolver>) -> String {
        let design = posed.problem.design();
        format!("{} rows, {} coefficients", design.nrows(), design.ncols())
    }

    fn facts(&self, _: &Posed<Self>, solution: &Fit) -> Facts {
        let mut facts = vec![("rows used", solution.rows as f64)];
        facts.extend(solution.condition.map(|condition| ("condition", condition)));
        facts
    }

    fn write(&self, posed: &Posed<Self>, solution: &Fit, path: &Path) -> Result<()> {
        let coefficients = files::from_vector(&solution.coefficients);
        if files::ending(path) != "npz" {
            return files::write_array(path, &coefficients);
        }
        let mut writer = Writer::new(path);
        writer.add("coefficients", &coefficients)?;
        if !posed.known.is_empty() {
            writer.add_text("columns", &posed.known)?;
        }
        files::write(path, &writer.finish()?)
    }
}
