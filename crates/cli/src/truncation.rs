//! How leading singular triples are found, from options of a command.

use crate::errors::Failure;
use anyhow::Result;
use rankine_linalg::Truncation;

/// How singular vectors are found.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Svd {
    Exact,
    Randomized,
}

/// `--svd` with `--iterations`; exact where nothing is said.
///
/// # Errors
/// When there are iterations of what has none.
pub fn truncation(svd: Option<Svd>, iterations: Option<usize>) -> Result<Truncation> {
    let (seed, oversampling) = (0, Truncation::OVERSAMPLING);
    match (svd, iterations) {
        (Some(Svd::Randomized), rounds) => {
            let power_iterations = rounds.unwrap_or(Truncation::POWER_ITERATIONS);
            Ok(Truncation::Randomized { power_iterations, oversampling, seed })
        }
        (_, None) => Ok(Truncation::Exact),
        (_, Some(_)) => {
            let message = "`--iterations` are rounds of the randomised SVD";
            Err(Failure::with_hint(message, "add `--svd randomized`").into())
        }
    }
}
