//! Where the weights of a model are written, and how.

use crate::disk::Room;
use crate::resume::ResumeArgs;
use crate::{Context, units};
use rankine_checkpoint::{Dtype, Existing, Tensors};
use rankine_report::{Cell, Column, Page, Table};
use rankine_surgery::{Plan, WriteOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where the weights go, and how they are written.
#[derive(clap::Args)]
pub struct WeightsArgs {
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Type of all weights; without it each keeps its own, quantised ones become f32, and floats of eight bits bf16
    #[arg(long)]
    dtype: Option<StoredType>,
    /// Most bytes of weights in a file
    #[arg(long, default_value = "5GB", value_name = "SIZE", value_parser = units::parse_bytes)]
    shard_size: u64,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub resume: ResumeArgs,
}

/// Types of weights, as words of the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum StoredType {
    F32,
    F16,
    Bf16,
}

impl StoredType {
    /// The type of this name.
    pub fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::Bf16,
        }
    }
}

impl WeightsArgs {
    /// What becomes of an output that is there.
    pub fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }

    /// All of it for the writer, with further files to write.
    pub fn options(&self, context: &Context, extra_files: Vec<(String, Vec<u8>)>) -> WriteOptions {
        WriteOptions {
            dtype: self.dtype.map(StoredType::dtype),
            shard_bytes: self.shard_size,
            existing: self.existing(),
            extra_files,
            resume: Some(self.resume.resume(context)),
            ..WriteOptions::default()
        }
    }
}

/// Says that weights of f64 become f32 where a command changes them; what it copies stays f64.
pub fn tell_of_doubles(context: &Context, model: &dyn Tensors, options: &WriteOptions) {
    let count = model.infos().values().filter(|info| info.dtype == Dtype::F64).count();
    if 0 < count && options.dtype.is_none() {
        context.say(format!(
            "note: {count} tensors are f64: those that change are computed, and written, in f32"
        ));
    }
}

/// Files of weights in JSON.
#[derive(Serialize)]
pub struct WeightsReport<'a> {
    output: &'a Path,
    dry_run: bool,
    parameters: u64,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    bytes: u64,
}

impl<'a> WeightsReport<'a> {
    /// What was written, or would be.
    pub fn new(output: &'a Path, dry_run: bool, plan: &'a Plan, room: Room) -> Self {
        let files = plan.files.iter().map(|(name, bytes)| File { name, bytes: *bytes }).collect();
        Self { output, dry_run, parameters: plan.parameters, bytes: plan.bytes, room, files }
    }
}

/// The same for people.
pub fn page(title: &str, output: &Path, plan: &Plan, room: Room) -> Page {
    let mut page = Page::new(format!("{title} {}", output.display()));
    let (parameters, weights) = (Cell::Count(plan.parameters), Cell::Bytes(plan.bytes));
    page.facts(&[("parameters", parameters), ("weights", weights), room.fact()]);
    page.table(files(plan));
    page
}

/// Every file.
pub fn files(plan: &Plan) -> Table {
    let mut table = Table::new([Column::text("file"), Column::number("weights")]);
    for (name, bytes) in &plan.files {
        table.row([Cell::text(name), Cell::Bytes(*bytes)]);
    }
    table
}
