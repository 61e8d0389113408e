//! Sweeps at a regularisation that falls to the problem's, which bring the potentials of a weak one near in a few passes.
//!
//!     ε_k = ε · (ε_0 / ε)^(1 − k / sweeps),  k = 0 … sweeps        ε_0 = start · (max C − min C), where that is above ε;
//!                                                                      costs that forbid aside
//!
//! Until ε_k = ε the plan is not the problem's: the residual that is told has 1 − ε / ε_k added.

use super::entropic::Potentials;
use super::{Plan, Transport};
use crate::check::within;
use crate::{Result, Step};

/// Where annealing stands.
#[derive(Clone, Copy, Debug)]
pub struct Annealing {
    /// ε_0, ε.
    ends: [f64; 2],
    sweeps: usize,
    /// k.
    done: usize,
}

impl Annealing {
    /// The potentials before the first sweep, their columns scaled. Those of a plan are not annealed.
    ///
    /// # Errors
    /// When `start` is negative or no number; those of [`Potentials::new`].
    pub fn begin(
        problem: &Transport,
        from: Option<&Plan>,
        sweeps: usize,
        start: f64,
    ) -> Result<(Self, Potentials)> {
        let range = "a finite number of at least 0; 0 keeps the regularisation where it is";
        within("annealing", start, 0.0 <= start, range)?;
        let mut potentials = Potentials::new(problem, from)?;
        let end = potentials.regularization;
        let first = if from.is_some() || sweeps == 0 { end } else { end.max(start * problem.usual_spread()) };
        potentials.regularization = first;
        potentials.scale_columns(problem);
        Ok((Self { ends: [first, end], sweeps, done: 0 }, potentials))
    }

    /// Whether there are sweeps left.
    pub fn goes_on(&self) -> bool {
        self.done < self.sweeps
    }

    /// The next sweep; whether it was at the problem's own regularisation.
    pub fn sweep(&mut self, problem: &Transport, potentials: &mut Potentials) -> (Step, bool) {
        self.done += 1;
        let [first, end] = self.ends;
        let left = 1.0 - self.done as f64 / self.sweeps as f64;
        let now = if 0.0 < left { end * (first / end).powf(left) } else { end };
        potentials.scale_rows(problem);
        potentials.regularization = now;
        potentials.scale_columns(problem);
        let missing = 1.0 - end / now;
        (Step::new(potentials.dual(problem).0, potentials.residual(problem) + missing), now <= end)
    }
}
