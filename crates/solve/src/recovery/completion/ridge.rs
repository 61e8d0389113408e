//! The ridge with which entries that are set aside are predicted best.
//!
//!     λ = t·s        s: root mean square of the entries, t: one of a few; the least ‖M − L·Rᵀ‖ over the entries set aside,
//!                    L and R from the others
//!
//! λ is in units of the entries: twice the entries want twice the ridge. The largest t comes first, and the first that is clearly
//! worse than the best before it ends the search; exact entries are predicted the better the less there is of it, down to 0.

use super::Completion;
use super::alternating::Alternating;
use crate::{Error, Outcome, Progress, Result, Solve, Stop, Watch};

/// What is tried, as shares of the root mean square. From that itself on, the factors of a matrix of ones would be 0.
const SHARES: [f64; 6] = [0.3, 0.1, 0.03, 0.01, 0.003, 0.0];

/// Errors this many times the least one are clearly worse.
const WORSE: f64 = 1.01;

/// When one of them is settled: errors of ratings hardly move after twenty rounds.
const STOP: Stop = Stop { steps: 30, tolerance: 1e-8 };

impl Completion {
    /// The same problem with the ridge by which alternating least squares predict entries best that they are not shown: those set
    /// aside already, or else about `share` of the known ones, chosen by `seed` and given back afterwards. The ridge stays what it
    /// is where there are too few entries to set any aside. Who breaks off gets the best ridge so far; steps and seconds
    /// that `watch` is told of are those of all ridges together.
    ///
    /// # Errors
    /// When the share is not at least 0 and below 1.
    pub fn with_best_ridge(self, share: f64, seed: u64, watch: &mut Watch<'_>) -> Result<Self> {
        let entries = self.entries();
        let typical = (entries.squares() / entries.count() as f64).sqrt();
        let trial = match self.validation() {
            Some(_) => Ok(self.clone()),
            None => self.clone().validated(share, seed),
        };
        let mut trial = match trial {
            Err(Error::Empty { .. }) => return Ok(self),
            trial => trial?,
        };
        let (mut least, mut best) = (f64::INFINITY, self.ridge());
        let (mut steps, mut seconds) = (0, 0.0);
        for part in SHARES {
            trial = trial.with_ridge(part * typical)?;
            // The error where it ended: without the entries that are set aside nobody stops at the best.
            let mut error = f64::INFINITY;
            let mut told = |progress: &Progress| {
                error = progress.residual;
                let (step, seconds) = (steps + progress.step, seconds + progress.seconds);
                watch(&Progress { step, seconds, ..*progress })
            };
            let report = Alternating::default().solve(&trial, None, STOP, &mut told)?;
            if WORSE * least < error {
                break;
            }
            if error < least {
                (least, best) = (error, trial.ridge());
            }
            if report.outcome == Outcome::Interrupted {
                break;
            }
            steps += report.trace.len();
            seconds += report.seconds;
        }
        self.with_ridge(best)
    }
}
