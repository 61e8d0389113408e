//! The problem, its solution, and what is measured of it.

use crate::vectors::norm;
use crate::{Error, Result, Step};
use faer::{Mat, MatRef};
use rankine_linalg::{tall_product, tall_transposed};
use rayon::prelude::*;

/// A regression problem; see the module.
#[derive(Clone, Debug)]
pub struct Regression {
    design: Mat<f64>,
    target: Vec<f64>,
    /// ‖A‖ ‖b‖.
    scale: f64,
}

/// Coefficients, and what they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// x; [d].
    pub coefficients: Vec<f64>,
    /// ‖A x − b‖, of the whole problem.
    pub distance: f64,
    /// Rows that were solved for: those of the sketch where there is one.
    pub rows: usize,
    /// A lower bound of the condition of A, or of its sketch, by the diagonal of the triangle; where one was made.
    pub condition: Option<f64>,
}

/// What of a problem its solvers share.
pub(super) trait LeastSquares {
    /// d.
    fn unknowns(&self) -> usize;

    /// b; [n].
    fn target(&self) -> &[f64];

    /// A x; [n].
    fn image(&self, x: &[f64]) -> Result<Vec<f64>>;

    /// Aᵀr; [d].
    fn gradient(&self, left: &[f64]) -> Result<Vec<f64>>;

    /// ‖A‖ ‖b‖.
    fn scale(&self) -> f64;

    /// b − A x; [n].
    fn left(&self, x: &[f64]) -> Result<Vec<f64>> {
        let mut left = self.image(x)?;
        left.iter_mut().zip(self.target()).for_each(|(image, target)| *image = target - *image);
        Ok(left)
    }

    /// The residual of a gradient Aᵀ(b − A x); 0 of the zero problem.
    fn relative(&self, gradient: &[f64]) -> f64 {
        share(norm(gradient), self.scale())
    }
}

/// A solution with what is measured of it.
pub(super) fn fit(
    problem: &dyn LeastSquares,
    coefficients: Vec<f64>,
    rows: usize,
    condition: Option<f64>,
) -> Result<(Fit, Step)> {
    let step = measure(problem, &coefficients)?;
    Ok((Fit { coefficients, distance: step.objective, rows, condition }, step))
}

/// Objective and residual.
pub(super) fn measure(problem: &dyn LeastSquares, coefficients: &[f64]) -> Result<Step> {
    let left = problem.left(coefficients)?;
    Ok(Step::new(norm(&left), problem.relative(&problem.gradient(&left)?)))
}

/// The coefficients of a fit, where there is one, or zeros.
///
/// # Errors
/// When it has another number of them.
pub(super) fn starting(problem: &dyn LeastSquares, from: Option<&Fit>) -> Result<Vec<f64>> {
    let expected = problem.unknowns();
    let x = from.map_or_else(|| vec![0.0; expected], |fit| fit.coefficients.clone());
    match x.len() {
        found if found == expected => Ok(x),
        found => {
            let reason = "the design has so many columns";
            Err(Error::Size { what: "the fit to start from", unit: "coefficients", found, expected, reason })
        }
    }
}

/// What there was to start from, of no rows: the answer of who is broken off at once.
pub(super) fn first(problem: &dyn LeastSquares, from: Option<&Fit>) -> Result<(Fit, Step)> {
    fit(problem, starting(problem, from)?, 0, None)
}

impl LeastSquares for Regression {
    fn unknowns(&self) -> usize {
        self.design.ncols()
    }

    fn target(&self) -> &[f64] {
        &self.target
    }

    fn image(&self, x: &[f64]) -> Result<Vec<f64>> {
        Ok(tall_product(self.design(), x)?)
    }

    fn gradient(&self, left: &[f64]) -> Result<Vec<f64>> {
        Ok(tall_transposed(self.design(), left)?)
    }

    fn scale(&self) -> f64 {
        self.scale
    }
}

/// ‖A‖·‖b‖ whose squares, which solvers take, are numbers.
const SQUARED: std::ops::RangeInclusive<f64> = 1e-150..=1e150;

impl Regression {
    /// Checks and keeps a problem; design: [n, d], target: [n].
    ///
    /// # Errors
    /// When the design is empty or has more columns than rows, the target has another length, an entry is not finite, or squares
    /// under- or overflow.
    pub fn new(design: Mat<f64>, target: Vec<f64>) -> Result<Self> {
        tall("design", design.as_ref())?;
        let (found, expected) = (target.len(), design.nrows());
        if found != expected {
            let reason = "the design has so many rows";
            return Err(Error::Size { what: "target", unit: "entries", found, expected, reason });
        }
        finite_target(&target)?;
        let scale = frobenius(design.as_ref()) * norm(&target);
        let zero = design.norm_max() == 0.0 || target.iter().all(|&value| value == 0.0);
        if !zero && !SQUARED.contains(&scale) {
            return Err(Error::Magnitude { what: "‖design‖ · ‖target‖", found: scale });
        }
        Ok(Self { design, target, scale })
    }

    /// A; [n, d].
    pub fn design(&self) -> MatRef<'_, f64> {
        self.design.as_ref()
    }

    /// b; [n].
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// b − A x; [n].
    ///
    /// # Errors
    /// When x has not d entries.
    pub fn left(&self, coefficients: &[f64]) -> Result<Vec<f64>> {
        LeastSquares::left(self, coefficients)
    }

    /// Objective and residual.
    ///
    /// # Errors
    /// When x has not d entries.
    pub fn measure(&self, coefficients: &[f64]) -> Result<Step> {
        measure(self, coefficients)
    }

    /// The target as a matrix; [n, 1].
    pub(super) fn target_column(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.target, self.target.len(), 1)
    }
}

/// part / whole; 0 where the part is.
fn share(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / whole }
}

/// Whether a matrix is not empty, at least as tall as wide, and finite.
pub(super) fn tall(what: &'static str, matrix: MatRef<'_, f64>) -> Result<()> {
    let (rows, columns) = matrix.shape();
    if rows == 0 || columns == 0 {
        return Err(Error::Empty { what });
    }
    if rows < columns {
        return Err(Error::Wide { what, rows, columns });
    }
    let wrong = (0..columns).into_par_iter().find_map_first(|column| {
        let entries = matrix.col(column);
        let row = entries.iter().position(|value| !value.is_finite())?;
        Some(Error::NotFinite { what, index: vec![row, column], value: entries[row] })
    });
    wrong.map_or(Ok(()), Err)
}

/// Whether every entry is finite.
pub(super) fn finite_target(target: &[f64]) -> Result<()> {
    match target.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: "target", index: vec![index], value: target[index] }),
        None => Ok(()),
    }
}

/// Frobenius's norm.
pub(super) fn frobenius(matrix: MatRef<'_, f64>) -> f64 {
    let squares: Vec<f64> =
        (0..matrix.ncols()).into_par_iter().map(|column| matrix.col(column).squared_norm_l2()).collect();
    squares.iter().sum::<f64>().sqrt()
}
