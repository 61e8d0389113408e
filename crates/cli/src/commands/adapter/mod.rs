//! `rankine adapter`: what can be done to an adapter without training, one file for each.

mod check;
mod combine;
mod convert;
mod recompressed;

use crate::{Context, Exit};

/// Check, convert or combine adapters in peft's format
#[derive(clap::Args)]
pub struct Adapter {
    #[command(subcommand)]
    command: Command,
}

/// What is done. The help of each is that of its arguments: a comment here would stand in its place.
#[derive(clap::Subcommand)]
enum Command {
    Check(check::Check),
    Convert(convert::Convert),
    Combine(combine::Combine),
}

impl Adapter {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.command {
            Command::Check(command) => command.run(context),
            Command::Convert(command) => command.run(context),
            Command::Combine(command) => command.run(context),
        }
    }
}
