//! `rankine adapter export`: an adapter as a file for llama.cpp.

use crate::disk::Room;
use crate::output::WriteArgs;
use crate::weights::StoredType;
use crate::{Context, Exit, adapters, model, units};
use anyhow::Context as _;
use rankine_report::{Cell, Level, Page, format};
use rankine_run::AdapterBase;
use rankine_surgery::{Error, ExportedModule, GgufExport, GgufOutput, Obstacle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write a LoRA for llama.cpp
///
/// llama.cpp knows one alpha and scales every module by alpha / rank. Scales that differ from it (rslora, patterns) are
/// multiplied into the factors, so that it computes what was trained; rows of query and key are put in its order. What such a
/// file cannot hold is refused: DoRA, biases, modules trained whole, an embedding that is the head too.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// Directory of the adapter
    adapter: PathBuf,
    /// Known name, hub repository, directory or .gguf file of the base
    #[arg(long, value_name = "MODEL")]
    base: String,
    /// File to write
    #[arg(long, value_name = "FILE")]
    gguf: PathBuf,
    /// Type of the numbers
    #[arg(long, default_value = "f32")]
    dtype: StoredType,
    #[command(flatten)]
    writing: WriteArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter export runs/first --base smollm2-135m --gguf first.gguf
  rankine adapter export runs/first --base model.gguf --gguf first.gguf --dtype f16 --force
  rankine adapter export runs/first --base smollm2-135m --gguf first.gguf --dry-run
  llama-cli -m model.gguf --lora first.gguf        what the file is for";

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    dry_run: bool,
    architecture: &'a str,
    alpha: f32,
    bytes: u64,
    #[serde(flatten)]
    room: Room,
    tensors: usize,
    modules: Vec<Module<'a>>,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    tensor: &'a str,
    rank: usize,
    scale: f32,
    folded: f64,
}

impl Export {
    /// Exports, and tells what was written.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.base)?;
        let exporting = || format!("while exporting `{}`", self.adapter.display());
        let AdapterBase::Texts(base) = AdapterBase::open(&path)? else {
            let (name, obstacle) = (path.display().to_string(), Obstacle::NoLanguageModel);
            return Err(Error::NotInGguf { name, obstacle }).with_context(exporting);
        };
        let adapter = base.settle(rankine_run::open_adapter(&path, &self.adapter)?)?;
        adapters::warn(context, (&self.base, &path), &self.adapter, &adapter);
        let (existing, dry_run) = (self.writing.existing(), self.writing.dry_run);
        let inputs = vec![self.adapter.clone(), path];
        let output = GgufOutput { target: &self.gguf, existing, inputs, dtype: self.dtype.dtype() };
        let plan = rankine_surgery::plan_export(&base, &adapter, &output).with_context(exporting)?;
        let room = Room::ask(context, &self.gguf, plan.bytes, dry_run).with_context(exporting)?;
        let export = match dry_run {
            true => plan,
            false => rankine_surgery::export(&base, &adapter, &output).with_context(exporting)?,
        };
        match self.writing.json {
            true => context.show_json(&self.report(&export, room))?,
            false => context.show(&self.page(&export, room))?,
        }
        Ok(Exit::Done)
    }
}

impl Export {
    fn report<'a>(&'a self, export: &'a GgufExport, room: Room) -> Report<'a> {
        let module = |module: &'a ExportedModule| Module {
            module: &module.module,
            tensor: &module.tensor,
            rank: module.rank,
            scale: module.scale,
            folded: module.folded,
        };
        let &GgufExport { architecture, alpha, ref modules, bytes } = export;
        let (tensors, modules) = (2 * modules.len(), modules.iter().map(module).collect());
        let (output, dry_run) = (self.gguf.as_path(), self.writing.dry_run);
        Report { output, dry_run, architecture, alpha, bytes, room, tensors, modules }
    }

    fn page(&self, export: &GgufExport, room: Room) -> Page {
        let &GgufExport { architecture, alpha, ref modules, bytes } = export;
        let rank = units::range(modules.iter().map(|module| module.rank));
        let folded = modules.iter().filter(|module| module.folded != 1.0).count();
        let (title, output) =
            (if self.writing.dry_run { "Would write adapter" } else { "Adapter" }, self.gguf.display());
        let mut page = Page::new(format!("{title} {output}"));
        page.facts(&[
            ("architecture", Cell::text(architecture)),
            ("tensors", Cell::Count(2 * modules.len() as u64)),
            ("rank", Cell::text(rank)),
            ("alpha", Cell::text(format::number(alpha.into(), 6))),
            ("scales folded in", Cell::text(format!("{folded} of {}", modules.len()))),
            ("size", Cell::Bytes(bytes)),
            room.fact(),
        ]);
        let usage = format!("use it with llama.cpp: `llama-cli -m MODEL.gguf --lora {output}`");
        page.note(Level::Note, usage);
        page
    }
}
