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

/// What is done.
#[derive(clap::Subcommand)]
enum Command {
    /// Say whether an adapter fits its base, and what else should be known about it
    Check(check::Check),
    /// Make a plain LoRA of an adapter
    Convert(convert::Convert),
    /// Make one adapter of several
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
