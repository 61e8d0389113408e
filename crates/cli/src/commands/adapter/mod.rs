//! `rankine adapter`: what can be done to an adapter without training, one file for each.

mod check;
mod combine;
mod convert;
mod export;
mod recompressed;

use crate::{Context, Exit};

/// Check, convert, combine or export adapters in peft's format
///
/// Nothing is trained: an adapter and its base are read, and what is asked for is written elsewhere. `rankine merge` writes an
/// adapter into its base. Bases are language models, encoders of texts and classifiers of images; only those of language models
/// are exported.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Adapter {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter check runs/first --base smollm2-135m
  rankine adapter convert runs/first --base smollm2-135m --rank 16 --output runs/small
  rankine adapter combine runs/a runs/b --weights 0.7,0.3 --output runs/both
  rankine adapter export runs/first --base smollm2-135m --gguf first.gguf";

/// What is done. The help of each is that of its arguments: a comment here would stand in its place.
#[derive(clap::Subcommand)]
enum Command {
    Check(check::Check),
    Convert(convert::Convert),
    Combine(combine::Combine),
    Export(export::Export),
}

impl Adapter {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.command {
            Command::Check(command) => command.run(context),
            Command::Convert(command) => command.run(context),
            Command::Combine(command) => command.run(context),
            Command::Export(command) => command.run(context),
        }
    }
}
