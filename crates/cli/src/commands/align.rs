//! `rankine align`: models with their units in the order of another's.

use crate::alignment::{self, AlignmentArgs, Matching};
use crate::errors::Failure;
use crate::stages::Stages;
use crate::weights::WeightsArgs;
use crate::{Context, Exit, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::Opened;
use rankine_report::{Cell, Page};
use rankine_surgery::{Aligned, Plan, Progress, Subject};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Bring the units of models into the order of another's
///
/// Networks that learnt the same from different starts have their hidden units, attention heads and channels in different orders.
/// Weight matching finds, from the weights alone, the order that brings a model nearest to the first; what it computes does not
/// change. Aligned models can often be averaged, where the average of others is no good. Of several, each is aligned to the first.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Align {
    /// Known name, hub repository, directory or file of the model that stays
    first: String,
    /// The same of those that are brought into its order
    #[arg(required = true)]
    models: Vec<String>,
    #[command(flatten)]
    matching: AlignmentArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Find the order, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine align ./first ./second --output aligned
  rankine align ./first ./second --groups mlp,heads --dry-run
  rankine align ./a ./b ./c --starts 5 --output aligned        writes aligned/b and aligned/c
  rankine align ./first.safetensors ./second.safetensors --output aligned --json";

/// One aligned model in JSON.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    output: &'a Path,
    dry_run: bool,
    parameters: u64,
    bytes: u64,
    #[serde(flatten)]
    matching: Matching<'a>,
}

/// One aligned model.
struct Done {
    model: String,
    output: PathBuf,
    aligned: Aligned,
    plan: Plan,
}

impl Align {
    /// Aligns, one model after the other.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let outputs = self.outputs()?;
        let first = Opened::open(model::find(context, &self.first)?)?;
        let mut stages = Stages::new(context);
        let mut done = Vec::with_capacity(outputs.len());
        for (model, output) in self.models.iter().zip(outputs) {
            let aligned = self.align(context, &first, (model, &output), &mut stages);
            let aligned = aligned.with_context(|| format!("while aligning `{model}` to `{}`", self.first))?;
            let (aligned, plan) = aligned;
            done.push(Done { model: model.clone(), output, aligned, plan });
        }
        drop(stages);
        match self.json {
            true => context.show_json(&done.iter().map(|done| self.report(done)).collect::<Vec<_>>())?,
            false => done.iter().try_for_each(|done| context.show(&self.page(done)))?,
        }
        Ok(Exit::Done)
    }

    /// Where each model goes: several into folders of their names.
    fn outputs(&self) -> anyhow::Result<Vec<PathBuf>> {
        if self.models.len() == 1 {
            return Ok(vec![self.weights.output.clone()]);
        }
        let mut outputs: Vec<PathBuf> = Vec::new();
        for model in &self.models {
            let path = Path::new(model);
            let name = if path.is_file() { path.file_stem() } else { path.file_name() };
            let output = self.weights.output.join(name.unwrap_or_default());
            if outputs.contains(&output) {
                let message = format!("two models would be written to `{}`", output.display());
                return Err(Failure::with_hint(message, "align them one at a time").into());
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn align(
        &self,
        context: &Context,
        first: &Opened,
        (model, output): (&str, &Path),
        stages: &mut Stages<'_>,
    ) -> anyhow::Result<(Aligned, Plan)> {
        let second = Opened::open(model::find(context, model)?)?;
        let options = self.weights.options(tokenizers::companions(&second)?);
        let alignment = self.matching.alignment();
        let (first, second) = (Subject::from(first), Subject::from(&second));
        let watch = &mut |progress: Progress| stages.see(progress);
        Ok(match self.dry_run {
            true => alignment.plan(first, second, &options, watch)?,
            false => alignment.run(first, second, output, &options, watch)?,
        })
    }

    fn report<'a>(&self, done: &'a Done) -> Report<'a> {
        Report {
            model: &done.model,
            output: &done.output,
            dry_run: self.dry_run,
            parameters: done.plan.parameters,
            bytes: done.plan.bytes,
            matching: Matching::of(&done.aligned),
        }
    }

    fn page(&self, done: &Done) -> Page {
        let title = if self.dry_run { "Would write" } else { "Aligned into" };
        let mut page = Page::new(format!("{title} {}", done.output.display()));
        let mut facts = alignment::facts(&done.aligned);
        facts.push(("parameters", Cell::Count(done.plan.parameters)));
        facts.push(("weights", Cell::Bytes(done.plan.bytes)));
        page.facts(&facts).table(alignment::table(&done.aligned));
        page
    }
}
