//! `rankine solve`: the matrix and transport problems, files in, files out; one file a question.
//!
//! A question ([`question::Question`]) says how its files become a problem and its solution files again; the solver is chosen,
//! set, watched and told of in one place for all of them. [`theory`] solves nothing: it says what closed forms say.

mod approximate;
mod compare;
mod complete;
mod files;
mod linear;
mod named;
mod options;
mod question;
mod recover;
mod regress;
mod regress_kronecker;
mod sense;
mod show;
mod theory;
mod transport;

use crate::{Context, Exit};
use question::Asked;

/// Solve matrix and transport problems, files in, files out
///
/// Transport, completion, sensing, sparse recovery, regression, approximation and linear systems. Every question has several
/// solvers, which its help lists; `compare` runs all of them, and `theory` has closed forms. Numbers are read from .npy, .npz,
/// .csv and .mtx files and written likewise; in a .csv, lines that begin with `#` are remarks, and a first line without numbers
/// names the columns. Ctrl-C returns the best that was found so far, and writes it; a second one ends the program. Exit code 1
/// when the solver did not converge.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Solve {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve transport --cost C.npy --source a.npy --target b.npy --output plan.npz
  rankine solve transport --points X.npy Y.npy --metric sqeuclidean --regularization 1e-2
  rankine solve complete ratings.csv --rank 10 --holdout 0.1 --output factors.npz
  rankine solve regress --design A.npy --target b.npy --solver srht --set eps=0.1
  rankine solve linear --matrix A.mtx --right b.npy --output x.npy
  rankine solve theory random-features --powers 1.5 1.2 --noise 0.1 --samples 1000 --features 100,1000,inf
  rankine solve compare transport --cost C.npy --html solvers.html";

/// Which question. The help of each is that of its arguments: a comment here would stand in its place.
#[derive(clap::Subcommand)]
enum Command {
    Transport(Box<Asked<transport::Transport>>),
    Complete(Box<Asked<complete::Complete>>),
    Sense(Box<Asked<sense::Sense>>),
    #[command(visible_alias = "krosbl")]
    Recover(Box<Asked<recover::Recover>>),
    Regress(Box<Asked<regress::Regress>>),
    RegressKronecker(Box<Asked<regress_kronecker::RegressKronecker>>),
    Approximate(Box<Asked<approximate::Approximate>>),
    Linear(Box<Asked<linear::Linear>>),
    Theory(theory::Theory),
    Compare(compare::Compare),
}

impl Solve {
    /// Does it.
    pub fn run(&self, context: &Context) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Transport(command) => command.run(context),
            Command::Complete(command) => command.run(context),
            Command::Sense(command) => command.run(context),
            Command::Recover(command) => command.run(context),
            Command::Regress(command) => command.run(context),
            Command::RegressKronecker(command) => command.run(context),
            Command::Approximate(command) => command.run(context),
            Command::Linear(command) => command.run(context),
            Command::Theory(command) => command.run(context),
            Command::Compare(command) => command.run(context),
        }
    }
}
