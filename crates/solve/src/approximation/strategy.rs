//! What the ways to choose points share: draw, judge, keep the best, fit at the end.

use super::{Approximation, Design, LeastSquaresInSpace, Space};
use crate::{Error, Iterate, Pulse, Result, Step, Stop};
use rankine_linalg::Going;
use rankine_random::Rng;

/// A way to choose points.
pub trait Strategy {
    /// Of the random numbers.
    fn seed(&self) -> u64;

    /// Points and weights for a space.
    ///
    /// # Errors
    /// When a setting is outside its range, or the space has no points to draw; when `going` stops it.
    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design>;
}

/// What is kept between draws.
#[derive(Clone, Debug, Default)]
pub struct Draws {
    /// The design of the largest λ_min so far.
    best: Option<Design>,
    /// A design of an earlier problem, which is judged first.
    earlier: Option<Design>,
    /// How many there were.
    count: usize,
}

impl<S: Strategy> Iterate<LeastSquaresInSpace> for S {
    type State = Draws;
    type Solution = Approximation;

    fn stop(&self) -> Stop {
        Stop { steps: 100, tolerance: 0.5 }
    }

    fn start(
        &self,
        problem: &LeastSquaresInSpace,
        from: Option<&Approximation>,
        _: &Pulse<'_>,
    ) -> Result<Draws> {
        let Some(earlier) = from.map(|from| &from.design) else { return Ok(Draws::default()) };
        let (found, expected) = (earlier.rows.ncols(), problem.space().size());
        if found != expected {
            let (what, reason) = ("the design to start from", "the space has so many");
            return Err(Error::Size { what, unit: "functions", found, expected, reason });
        }
        Ok(Draws { earlier: Some(earlier.clone()), ..Draws::default() })
    }

    fn step(&self, problem: &LeastSquaresInSpace, state: &mut Draws, pulse: &Pulse<'_>) -> Result<Step> {
        let design = match state.earlier.take() {
            Some(earlier) => earlier,
            None => {
                let rng = Rng::new(self.seed()).fork("approximation").fork_index("draw", state.count);
                self.draw(problem.space(), &rng, &|| pulse.beats())?
            }
        };
        state.count += 1;
        if state.best.as_ref().is_none_or(|best| best.smallest < design.smallest) {
            state.best = Some(design);
        }
        let smallest = state.best.as_ref().map_or(0.0, |best| best.smallest);
        Ok(Step::new(smallest.recip(), 1.0 - smallest))
    }

    fn finish(&self, problem: &LeastSquaresInSpace, state: Draws) -> Result<Approximation> {
        match state.best.or(state.earlier) {
            Some(best) => problem.fit(best, state.count),
            // Who is broken off in the first draw has no points.
            None => Ok(problem.nothing()),
        }
    }
}

/// How many points a factor asks for: at least as many as there are functions.
///
/// # Errors
/// When it is below 1 or not finite.
pub(super) fn points(space: &dyn Space, oversampling: f64) -> Result<usize> {
    if !(1.0 <= oversampling && oversampling.is_finite()) {
        let range = "a finite number of at least 1";
        return Err(Error::Setting { name: "oversampling", found: oversampling, range });
    }
    Ok((oversampling * space.size() as f64).ceil() as usize)
}

/// Whether a share of the optimal density is one.
///
/// # Errors
/// When it is not.
pub(super) fn share(theta: f64) -> Result<()> {
    if (0.0..=1.0).contains(&theta) {
        return Ok(());
    }
    Err(Error::Setting { name: "theta", found: theta, range: "0 to 1" })
}
