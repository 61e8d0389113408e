//! Problem → solver → report. Nothing here knows tensors, autodiff, files or the terminal.
//!
//! A *question* is a type that holds the data of a problem ([`transport::Transport`], …); several solvers answer it, each
//! a structure whose fields are its settings and whose `Default` is the paper's. Iterative solvers give one step
//! ([`Iterate`]) and get the loop; direct ones give [`Solve`] themselves. What comes back is a [`Report`]: the solution, how
//! it ended, and what was measured on the way. That the tolerance was not reached is an [`Outcome`]; what is wrong with a
//! problem is an [`Error`].
//!
//! Matrices are those of faer in double precision, column after column. Work runs on the threads of the rayon pool that
//! the caller is in: `ThreadPool::install` bounds it. It is cut by sizes alone, so results do not depend on their number.

#![forbid(unsafe_code)]

pub mod approximation;
mod check;
mod conjugate_gradient;
mod error;
pub mod kronecker;
mod lbfgs;
pub mod linear;
mod outcome;
mod pulse;
pub mod recovery;
mod registry;
pub mod regression;
mod solver;
pub mod theory;
pub mod transport;
mod vectors;

pub use error::{Error, Result};
pub use faer::{Mat, MatRef, c64};
pub use outcome::{Outcome, Progress, Report, Stop};
pub use pulse::Pulse;
pub use registry::Solvers;
pub use solver::{Iterate, Silent, Solve, Step, Watch};
