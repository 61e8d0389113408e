//! Least squares to rounding by a sketch: its triangle makes the columns nearly orthonormal.
//!
//!     S·A = Q·R        conjugate gradients on A·R⁻¹, from the least squares of the sketch
//!
//! With m = 4·d rows the condition of A·R⁻¹ is about (1 + ½)/(1 − ½) = 3 whatever that of A, and the error halves with every
//! step: 20 to 40 steps of 4·n·d. They reach rounding times the condition of A, not rounding itself: where that is above the
//! tolerance, the outcome says so, and `qr` goes further (Meier, Nakatsukasa, Townsend and Webb 2024).
//! Paper: [sketched_regression], its page's refinement; Rokhlin and Tygert 2008, Avron, Maymounkov and Toledo 2010.

use super::conjugate_gradients::Descent;
use super::problem::{fit, starting};
use super::{Fit, Regression, sketched};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
use rankine_linalg::{Gaussian, Sketch, Sparse, Srht};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SketchAndPrecondition {
    /// What the sketch is made of.
    pub sketch: Kind,
    /// Rows of the sketch to a column of the design.
    pub oversampling: f64,
    /// Of the random numbers.
    pub seed: u64,
}

/// What a sketch is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A subsampled randomised Hadamard transform.
    #[default]
    Srht,
    /// Independent normal entries.
    Gaussian,
    /// One entry a column; wants more rows than the others, d² in the worst case.
    CountSketch,
    /// Eight entries a column, or as many as there are rows.
    Osnap,
}

impl Kind {
    /// A sketch from `columns` entries to `rows`.
    ///
    /// # Errors
    /// When the sizes do not fit.
    fn draw(self, columns: usize, rows: usize, rng: &Rng) -> Result<Box<dyn Sketch>> {
        Ok(match self {
            Self::Srht => Box::new(Srht::new(columns, rows, rng)?),
            Self::Gaussian => Box::new(Gaussian::new(columns, rows, rng)?),
            Self::CountSketch => Box::new(Sparse::new(columns, rows, 1, rng)?),
            Self::Osnap => Box::new(Sparse::new(columns, rows, rows.min(8), rng)?),
        })
    }
}

impl Default for SketchAndPrecondition {
    fn default() -> Self {
        Self { sketch: Kind::default(), oversampling: 4.0, seed: 0 }
    }
}

impl SketchAndPrecondition {
    /// Rows of the sketch; as tall as the design where that is not taller than asked for.
    fn rows(&self, (rows, columns): (usize, usize)) -> Result<usize> {
        if !(1.0 <= self.oversampling && self.oversampling.is_finite()) {
            let range = "a finite number of at least 1";
            return Err(Error::Setting { name: "oversampling", found: self.oversampling, range });
        }
        // A square design has no row to spare: all of the padded transform.
        let most = rows.next_power_of_two();
        Ok(((self.oversampling * columns as f64).ceil() as usize).min(most))
    }
}

impl Iterate<Regression> for SketchAndPrecondition {
    type State = Descent;
    type Solution = Fit;

    fn stop(&self) -> Stop {
        Stop { steps: 200, tolerance: 1e-10 }
    }

    fn start(&self, problem: &Regression, from: Option<&Fit>, pulse: &Pulse<'_>) -> Result<Descent> {
        let (rows, rng) =
            (self.rows(problem.design().shape())?, Rng::new(self.seed).fork("regression/precondition"));
        let sketch = self.sketch.draw(problem.target().len(), rows, &rng)?;
        let (basis, whole) = match sketched::sketched(problem, sketch.as_ref(), &|| pulse.beats()) {
            Err(error) if error.is_interruption() => {
                return Descent::new(problem, starting(problem, from)?, None);
            }
            made => made?,
        };
        let x = match from {
            Some(_) => starting(problem, from)?,
            None => basis.last_column(whole.as_ref()),
        };
        Descent::new(problem, x, Some(basis))
    }

    fn step(&self, problem: &Regression, state: &mut Descent, _: &Pulse<'_>) -> Result<Step> {
        state.step(problem)
    }

    fn finish(&self, problem: &Regression, state: Descent) -> Result<Fit> {
        let (rows, condition) = (self.rows(problem.design().shape())?, state.condition());
        Ok(fit(problem, state.best, rows, condition)?.0)
    }
}
