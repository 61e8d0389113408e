//! `rankine pull`: models into the cache.

use crate::{Context, Exit, model, stdout};
use rankine_hub::{Hub, KNOWN, Known};
use rankine_report::{Cell, Column, Page, Table, format};
use serde::Serialize;
use std::path::PathBuf;

/// Download a model into the cache, or list the known ones
///
/// What was interrupted goes on where it stopped; every file is checked. Prints where the model lies.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Pull {
    /// Known name or hub repository OWNER/NAME[@REVISION][:PART]; without it, known names are listed
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine pull                                 list known models: size, licence, cached or not
  rankine pull smollm2-135m
  rankine pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:q8_0

Environment: RANKINE_CACHE (where models lie), HF_ENDPOINT (a mirror), HF_TOKEN (for private models).";

/// A model on disk.
#[derive(Serialize)]
struct Pulled {
    name: String,
    path: PathBuf,
}

/// A line of the list.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    title: &'static str,
    architecture: &'static str,
    parameters: u64,
    download_bytes: u64,
    licence: &'static str,
    repository: &'static str,
    path: Option<PathBuf>,
}

impl Pull {
    /// Pulls, or lists.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hub = context.hub()?;
        let Some(name) = self.name else {
            let known = KNOWN.iter().map(|known| Listed::new(known, &hub)).collect();
            return list(context, &hub, known, self.json);
        };
        let path = model::pull(context, &hub, &name)?;
        match self.json {
            true => context.show_json(&Pulled { name, path })?,
            false => stdout::write(&format!("{}\n", path.display()))?,
        }
        Ok(Exit::Done)
    }
}

impl Listed {
    fn new(known: &'static Known, hub: &Hub) -> Self {
        let &Known { name, title, architecture, parameters, download_bytes, licence, repository, .. } = known;
        let path = hub.resolve(name).ok();
        Self { name, title, architecture, parameters, download_bytes, licence, repository, path }
    }
}

fn list(context: &Context, hub: &Hub, known: Vec<Listed>, json: bool) -> anyhow::Result<Exit> {
    if json {
        context.show_json(&known)?;
        return Ok(Exit::Done);
    }
    let columns = [Column::text("name"), Column::text("model"), Column::number("parameters")];
    let rest = [Column::number("download"), Column::text("licence"), Column::text("cached")];
    let mut table = Table::new(columns.into_iter().chain(rest));
    for model in &known {
        table.row([
            Cell::text(model.name),
            Cell::text(model.title),
            Cell::text(format!("{} M", format::count(model.parameters / 1_000_000))),
            Cell::Bytes(model.download_bytes),
            Cell::text(model.licence),
            Cell::text(if model.path.is_some() { "yes" } else { "no" }),
        ]);
    }
    let mut page = Page::new("Known models");
    page.lead(format!(
        "Any other model: OWNER/NAME of the hub, a directory or a .gguf file. Cache: {}",
        hub.cache.display()
    ));
    context.show(page.table(table))?;
    Ok(Exit::Done)
}
