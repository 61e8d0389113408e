//! Where what a command makes goes, and whether it is written.

use crate::Context;
use crate::disk::Room;
use rankine_checkpoint::{Adapter, Existing};
use rankine_surgery::AdapterOutput;
use std::path::PathBuf;

/// Whether an output is replaced, or written at all, and how it is told of.
#[derive(clap::Args)]
pub struct WriteArgs {
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl WriteArgs {
    /// What becomes of an output that is there.
    pub fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }
}

/// Where an adapter goes.
#[derive(clap::Args)]
pub struct OutputArgs {
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    #[command(flatten)]
    pub writing: WriteArgs,
}

impl OutputArgs {
    /// The output, which is none of the inputs.
    pub fn output(&self, inputs: Vec<PathBuf>) -> AdapterOutput<'_> {
        AdapterOutput { target: &self.output, existing: self.writing.existing(), inputs }
    }

    /// An error unless it can be written, before the work is done.
    pub fn check(&self, output: &AdapterOutput<'_>) -> rankine_surgery::Result<()> {
        match self.writing.dry_run {
            true => rankine_surgery::check_apart(output.target, &output.inputs),
            false => output.check(),
        }
    }

    /// Writes what was made, with a file beside it, but for a dry run; the answer is the room that there was.
    pub fn write(
        &self,
        context: &Context,
        output: &AdapterOutput<'_>,
        (made, companion): (&Adapter, Option<(&str, &[u8])>),
    ) -> anyhow::Result<Room> {
        let room = Room::ask(context, output.target, made.bytes(), self.writing.dry_run)?;
        if !self.writing.dry_run {
            output.write_with(made, companion)?;
        }
        Ok(room)
    }
}
