//! Least squares of few rows: sketch and solve.
//!
//!     x′ = argmin ‖S A x − S b‖₂         S: [m, n], E[SᵀS] = 1, m = ⌈4·d/ε²⌉, at most n
//!     x′ − x* = (AᵀSᵀSA)⁻¹ AᵀSᵀS (b − A x*)
//!
//! With a dense sketch (`srht`, `gaussian`) every coefficient's error is below (ε/√d)·OPT·‖A⁺‖, spread evenly; with
//! `count-sketch` and samples of rows one coefficient may take all of it, whatever m; `osnap` with eight entries a column
//! behaves like a dense one. Costs: `srht` n·d·log n, `gaussian` m·n·d, `count-sketch` n·d, `osnap` s·n·d, rows m·d; then
//! 2·m·d² for the QR decomposition of S·A. It pays where n ≫ m.
//! Paper: [sketched_regression]; theory asks for m = ε⁻²·d·log³(n/δ), the page's practice for 4·d/ε². Where S·A lacks rank, a
//! second sketch of twice the rows is drawn, and after that the design is held to lack it.

use super::problem::{fit, starting};
use super::triangle::Triangle;
use super::{Fit, Regression};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
use rankine_linalg::{self as linalg, Going, Sketch, leverage_scores, tall_triangle};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// How many rows a sketch has, and where it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// ε, from which the rows follow: 4·d/ε².
    pub eps: f64,
    /// The rows themselves, instead.
    pub rows: Option<usize>,
    /// Of the random numbers.
    pub seed: u64,
}

impl Size {
    /// The rows for a design; [n, d].
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub fn rows(self, (rows, columns): (usize, usize)) -> Result<usize> {
        if !(0.0 < self.eps && self.eps <= 1.0) {
            return Err(Error::Setting { name: "eps", found: self.eps, range: "above 0, 1 at most" });
        }
        let most = rows.next_power_of_two();
        match self.rows {
            Some(found) if found < columns || most < found => {
                Err(Error::Fit { name: "rows", found, least: columns, most })
            }
            Some(found) => Ok(found),
            None => Ok(((4.0 * columns as f64 / self.eps.powi(2)).ceil() as usize).min(rows)),
        }
    }
}

/// A kind of sketch with its settings.
pub trait SketchAndSolve {
    /// How many rows.
    fn size(&self) -> Size;

    /// A sketch of a design that takes its n rows to `rows`.
    ///
    /// # Errors
    /// When a setting does not fit, or `going` stops it.
    fn draw(
        &self,
        problem: &Regression,
        rows: usize,
        rng: &Rng,
        going: &Going<'_>,
    ) -> Result<Box<dyn Sketch>>;
}

impl<K: SketchAndSolve> Iterate<Regression> for K {
    /// Where it starts, which is the answer of who is broken off, and the answer.
    type State = (Vec<f64>, Option<Fit>);
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 1, tolerance: self.size().eps }
    }

    fn start(&self, problem: &Regression, from: Option<&Fit>, _: &Pulse<'_>) -> Result<Self::State> {
        self.size().rows(problem.design().shape())?;
        Ok((starting(problem, from)?, None))
    }

    fn step(&self, problem: &Regression, state: &mut Self::State, pulse: &Pulse<'_>) -> Result<Step> {
        let (found, step) = answer(self, problem, &|| pulse.beats())?;
        state.1 = Some(found);
        // There is no second step.
        Ok(Step { stalled: true, ..step })
    }

    fn finish(&self, problem: &Regression, (start, found): Self::State) -> Result<Fit> {
        found.map_or_else(|| Ok(fit(problem, start, 0, None)?.0), Ok)
    }
}

/// The least squares of a sketch, or of a second one of twice the rows.
fn answer(kind: &dyn SketchAndSolve, problem: &Regression, going: &Going<'_>) -> Result<(Fit, Step)> {
    let rows = kind.size().rows(problem.design().shape())?;
    let rng = Rng::new(kind.size().seed).fork("regression/sketch");
    let of = |rows: usize, rng: &Rng| {
        let sketch = kind.draw(problem, rows, rng, going)?;
        let (triangle, whole) = sketched(problem, sketch.as_ref(), going)?;
        Ok((triangle.last_column(whole.as_ref()), rows, triangle.condition()))
    };
    let first = of(rows, &rng.fork("first"));
    let twice = (2 * rows).min(problem.design().nrows().next_power_of_two());
    let (x, rows, condition) = match first {
        Err(Error::Dependent { .. }) => of(twice, &rng.fork("second"))?,
        other => other?,
    };
    fit(problem, x, rows, Some(condition))
}

/// The triangle of S·A, and that of S·[A b].
pub(super) fn sketched(
    problem: &Regression,
    sketch: &dyn Sketch,
    going: &Going<'_>,
) -> Result<(Triangle, faer::Mat<f64>)> {
    let parts = sketch.apply(&[problem.design(), problem.target_column()], going)?;
    let whole = tall_triangle(&[parts.as_ref()], going)?;
    let (size, rows) = (problem.design().ncols(), sketch.rows());
    Ok((Triangle::new("the sketched design", whole.as_ref(), size, rows)?, whole))
}

/// From one entry per sketch: its structure, the page's settings, and how it is drawn.
macro_rules! sketches {
    ($($(#[$about:meta])* $Name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty = $default:expr,)* }
        ($solver:ident, $problem:ident, $rows:ident, $rng:ident, $going:ident) => $draw:expr;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Name {
            $($(#[$doc])* pub $field: $kind,)*
            /// ε, from which the rows follow: 4·d/ε², at most n.
            pub eps: f64,
            /// The rows themselves, instead; d to the next power of two at or above n.
            pub rows: Option<usize>,
            /// Of the random numbers.
            pub seed: u64,
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($field: $default,)* eps: 0.25, rows: None, seed: 0 }
            }
        }

        impl SketchAndSolve for $Name {
            fn size(&self) -> Size {
                Size { eps: self.eps, rows: self.rows, seed: self.seed }
            }

            fn draw(
                &self,
                $problem: &Regression,
                $rows: usize,
                $rng: &Rng,
                $going: &Going<'_>,
            ) -> Result<Box<dyn Sketch>> {
                let $solver = self;
                Ok(Box::new($draw?))
            }
        }
    )*};
}

sketches! {
    /// A subsampled randomised Hadamard transform: dense, and cheap to apply.
    Srht {} (_solver, problem, rows, rng, _going) => linalg::Srht::new(problem.target().len(), rows, rng);
    /// Independent normal entries: dense, and dear.
    Gaussian {} (_solver, problem, rows, rng, _going) => linalg::Gaussian::new(problem.target().len(), rows, rng);
    /// One entry a column.
    CountSketch {} (_solver, problem, rows, rng, _going) => linalg::Sparse::new(problem.target().len(), rows, 1, rng);
    /// Several entries a column.
    Osnap {
        /// How many, at most as many as there are rows; the page's 8.
        nonzeros: usize = 8,
    } (solver, problem, rows, rng, _going) => {
        if solver.nonzeros == 0 {
            return Err(Error::Fit { name: "nonzeros", found: 0, least: 1, most: rows });
        }
        linalg::Sparse::new(problem.target().len(), rows, solver.nonzeros.min(rows), rng)
    };
    /// Rows drawn by their leverage, which costs as much as a QR decomposition.
    LeverageRows {} (_solver, problem, rows, rng, going) =>
        linalg::RowSample::new(&leverage_scores(problem.design(), going)?, rows, rng);
    /// Rows drawn alike.
    UniformRows {} (_solver, problem, rows, rng, _going) =>
        linalg::RowSample::new(&vec![1.0; problem.target().len()], rows, rng);
}
