//! `rankine fisher`: how well data determine every number of a model.

use crate::disk::Room;
use crate::stages::Stages;
use crate::{Context, Exit, model, quality, units};
use anyhow::Context as _;
use rankine_checkpoint::Existing;
use rankine_report::{Cell, Level, Page};
use rankine_run::{DataSection, Fisher, FisherPlan, FisherReport};
use rankine_surgery::Progress;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Measure how well data determine every number of a model
///
/// Writes the diagonal of the Fisher information: of every number the mean square of what it does to the log-likelihood of an answer
/// of the data, of a class or of all tokens of an answer together. Every example is derived by itself, as in a training with batches
/// of one. The file has the names of the model's tensors, and weighs a model and its fine-tune in `rankine blend`, method fisher.
/// Memory is 12 bytes a number of the model.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FisherCommand {
    /// Known name, hub repository, directory or file of the model
    model: String,
    /// What it was trained for: a format of `rankine train`; for classifiers labelled texts or images
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Safetensors file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Examples of the data that are read, the first ones; all when nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    samples: Option<u32>,
    /// Cut conversations, and window plain text, at this many tokens
    #[arg(long, default_value_t = quality::LENGTH, value_name = "N")]
    max_length: usize,
    /// Column of the texts that a classifier tells apart; `text` when absent
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the labels, names or numbers of classes; `label` when absent
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Say what would be written and how much memory it takes, and derive and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine fisher ./base --data general.jsonl --output base.fisher.safetensors
  rankine fisher ./tuned --data task.jsonl --samples 500 --output tuned.fisher.safetensors
  rankine fisher ./tuned --data task.jsonl --output tuned.fisher.safetensors --dry-run
  rankine fisher ./classifier --data reviews.csv --label-column stars --output fisher.safetensors --json

Two of them in a recipe of `rankine blend`:
  merge_method: fisher
  base_model: ./base
  models: [{model: ./tuned}, {model: ./base.fisher.safetensors}, {model: ./tuned.fisher.safetensors}]
  parameters: {alpha: 0.5}";

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    data: &'a Path,
    output: &'a Path,
    dry_run: bool,
    #[serde(flatten)]
    plan: FisherPlan,
    #[serde(flatten)]
    room: Room,
    #[serde(flatten)]
    found: Option<Found<'a>>,
}

/// What was found.
#[derive(Serialize)]
struct Found<'a> {
    examples: usize,
    targets: usize,
    nll: f64,
    trace: f64,
    silent: &'a [String],
}

impl FisherCommand {
    /// Derives, and writes the file.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (plan, room, found) =
            self.found(context).with_context(|| format!("while deriving `{}`", self.model))?;
        match self.json {
            true => context.show_json(&self.report(plan, room, found.as_ref()))?,
            false => context.show(&self.page(plan, room, found.as_ref()))?,
        }
        Ok(Exit::Done)
    }

    fn found(&self, context: &Context) -> anyhow::Result<(FisherPlan, Room, Option<FisherReport>)> {
        let path = model::find(context, &self.model)?;
        let data = DataSection {
            text_column: self.text_column.clone(),
            label_column: self.label_column.clone(),
            max_length: self.max_length,
            ..DataSection::new(&self.data)
        };
        let fisher = Fisher {
            samples: self.samples.map(|samples| samples as usize),
            target: &self.output,
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
        };
        let plan = fisher.plan(&path, &data)?;
        let room = Room::ask(context, &self.output, plan.bytes, self.dry_run)?;
        if self.dry_run {
            return Ok((plan, room, None));
        }
        let mut stages = Stages::new(context);
        let found = fisher.run(&path, &data, &mut |progress: Progress| stages.see(progress))?;
        Ok((plan, room, Some(found)))
    }

    fn report<'a>(&'a self, plan: FisherPlan, room: Room, found: Option<&'a FisherReport>) -> Report<'a> {
        let told = |found: &'a FisherReport| {
            let &FisherReport { examples, targets, nll, trace, ref silent, .. } = found;
            Found { examples, targets, nll, trace, silent }
        };
        Report {
            model: &self.model,
            data: &self.data,
            output: &self.output,
            dry_run: self.dry_run,
            plan,
            room,
            found: found.map(told),
        }
    }

    fn page(&self, plan: FisherPlan, room: Room, found: Option<&FisherReport>) -> Page {
        let title = if self.dry_run { "Would write Fisher information to" } else { "Fisher information in" };
        let mut page = Page::new(format!("{title} {}", self.output.display()));
        let mut facts = vec![("measured on", Cell::text(self.data.display().to_string()))];
        if let Some(found) = found {
            facts.extend([
                ("examples", Cell::from(found.examples)),
                ("answers", Cell::from(found.targets)),
                ("NLL", Cell::fixed(found.nll, 4)),
                ("trace", Cell::number(found.trace, 4)),
            ]);
        }
        facts.push(("numbers", Cell::Count(plan.parameters)));
        facts.push(("size", Cell::Bytes(plan.bytes)));
        facts.push(room.fact());
        facts.push(("memory", Cell::Bytes(plan.memory_bytes)));
        page.facts(&facts);
        if let Some(found) = found
            && !found.silent.is_empty()
        {
            page.note(Level::Note, format!("the data say nothing of {}", units::few(&found.silent, 1)));
        }
        page
    }
}
