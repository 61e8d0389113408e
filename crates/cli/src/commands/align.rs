//! `rankine align`: models with their units in the order of another's.

use crate::alignment::{self, AlignmentArgs, Found, Matching};
use crate::errors::Failure;
use crate::line::MeasureArgs;
use crate::stages::Stages;
use crate::weights::WeightsArgs;
use crate::{Context, Exit, disk::Room, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::{Existing, Opened, OutputFolder};
use rankine_report::{Cell, Page};
use rankine_surgery::{Plan, Progress, Subject, WriteOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Bring the units of models into the order of another's
///
/// Networks that learnt the same from different starts have their hidden units, attention heads and channels in different orders.
/// Weight matching finds, from the weights alone, the order that brings a model nearest to the first; what it computes does not
/// change. Aligned models can often be averaged, where the average of others is no good. With --data, `activations` finds the
/// order in which the two give the same, and `straight-through` trains for the least loss half-way between them. Of several, each
/// is aligned to the first, and all are written or none.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_group("MeasureArgs", |group| group.requires("data")))]
pub struct Align {
    /// Known name, hub repository, directory or file of the model that stays
    first: String,
    /// The same of those that are brought into its order
    #[arg(required = true)]
    models: Vec<String>,
    #[command(flatten)]
    matching: AlignmentArgs,
    /// For `straight-through`: batches to learn from; 300 when nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// For `activations`, `straight-through`: the data to run the models on, as of `rankine evaluate`
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    measure: MeasureArgs,
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
  rankine align ./first ./second --groups mlp,heads --output aligned --dry-run
  rankine align ./a ./b ./c --starts 5 --output aligned        writes aligned/b and aligned/c
  rankine align ./first ./second --method activations --data digits --output aligned
  rankine align ./first ./second --method straight-through --data train.jsonl --steps 500 --output aligned
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
    room: Room,
    #[serde(flatten)]
    matching: Matching<'a>,
}

/// One model that is aligned.
struct Second {
    name: String,
    opened: Opened,
    output: PathBuf,
    options: WriteOptions,
}

/// One aligned model.
struct Done<'a> {
    second: &'a Second,
    found: Found,
    plan: Plan,
}

impl Align {
    /// Finds all orders, then writes.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.first)?;
        let first = model::open(context, &path)?;
        let matcher = self.matching.matcher(self.steps)?;
        matcher.check(self.data.is_some())?;
        let (seconds, room) = self.seconds(context, &first)?;
        let data = self.data.as_deref();
        let examiner = data.map(|data| self.measure.examiner(&path, data)).transpose()?;
        let mut stages = Stages::new(context);
        let mut done = Vec::with_capacity(seconds.len());
        for second in &seconds {
            let models = (Subject::from(&first), Subject::from(&second.opened));
            let found = matcher.find(models, examiner.as_ref(), &mut stages);
            let found = found.with_context(|| self.aligning(second))?;
            let plan = found.aligned.plan(models.1, &second.options)?;
            done.push(Done { second, found, plan });
        }
        if !self.dry_run {
            self.write(&done, &mut stages)?;
        }
        drop(stages);
        match self.json {
            true => {
                context.show_json(&done.iter().map(|done| self.report(done, room)).collect::<Vec<_>>())?
            }
            false => done.iter().try_for_each(|done| context.show(&self.page(done, room)))?,
        }
        Ok(Exit::Done)
    }

    /// The models with their outputs, of which nothing stands in the way, and the room for them.
    fn seconds(&self, context: &Context, first: &Opened) -> anyhow::Result<(Vec<Second>, Room)> {
        if 1 < self.models.len() && self.weights.resume.is_asked() {
            let message = "`--resume` goes on with one model: several are written together or not at all";
            return Err(Failure::with_hint(message, "start it without `--resume`").into());
        }
        let (mut seconds, mut needed) = (Vec::with_capacity(self.models.len()), 0_u64);
        for (name, output) in self.models.iter().zip(self.outputs()?) {
            let opened = model::open(context, &model::find(context, name)?)?;
            let mut options = self.weights.options(context, tokenizers::companions(&opened)?);
            options.inputs.push(first.path().to_owned());
            options.inputs.extend(self.data.clone());
            tokenizers::warn(context, first, &opened)?;
            let second = Second { name: name.clone(), opened, output, options };
            let subject = Subject::from(&second.opened);
            let checked = match self.dry_run {
                true => {
                    let read = second.options.inputs.iter().cloned().chain([subject.path().to_owned()]);
                    rankine_surgery::check_apart(&second.output, &read.collect::<Vec<_>>())
                }
                false => subject.check_output(&second.output, &second.options),
            };
            checked.with_context(|| self.aligning(&second))?;
            needed = needed.saturating_add(rankine_surgery::plan_rewrite(subject, &second.options)?.bytes);
            seconds.push(second);
        }
        Ok((seconds, Room::ask(context, &self.weights.output, needed, self.dry_run)?))
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

    /// Writes a model; several under other names, and gives them their own when all are there.
    fn write(&self, done: &[Done<'_>], stages: &mut Stages<'_>) -> anyhow::Result<()> {
        let watch = &mut |progress: Progress| stages.see(progress);
        if let [one] = done {
            let Second { opened, output, options, .. } = one.second;
            let written = one.found.aligned.write(Subject::from(opened), output, options, watch);
            return written.map(drop).with_context(|| self.aligning(one.second));
        }
        let mut staged = Staged(Vec::with_capacity(done.len()));
        for one in done {
            let Second { opened, output, options, .. } = one.second;
            let folder = OutputFolder::create(output, options.existing)?;
            let inside = folder.path("model.safetensors")?;
            staged.0.push(folder);
            // In the place of the folder that is under construction.
            let options = WriteOptions { existing: Existing::Replace, resume: None, ..options.clone() };
            let target = inside.parent().unwrap_or(output);
            let written = one.found.aligned.write(Subject::from(opened), target, &options, watch);
            written.with_context(|| self.aligning(one.second))?;
        }
        Ok(staged.finish()?)
    }

    fn aligning(&self, second: &Second) -> String {
        format!("while aligning `{}` to `{}`", second.name, self.first)
    }

    fn report<'a>(&self, Done { second, found, plan }: &'a Done<'_>, room: Room) -> Report<'a> {
        Report {
            model: &second.name,
            output: &second.output,
            dry_run: self.dry_run,
            parameters: plan.parameters,
            bytes: plan.bytes,
            room,
            matching: Matching::of(found),
        }
    }

    fn page(&self, Done { second, found, plan }: &Done<'_>, room: Room) -> Page {
        let title = if self.dry_run { "Would write" } else { "Aligned into" };
        let mut page = Page::new(format!("{title} {}", second.output.display()));
        let mut facts = alignment::facts(found);
        facts.push(("parameters", Cell::Count(plan.parameters)));
        facts.push(("weights", Cell::Bytes(plan.bytes)));
        facts.push(room.fact());
        page.facts(&facts).table(alignment::table(&found.aligned));
        page
    }
}

/// Models that wait for each other. Dropped before all have their names they go, the last first: the first made the folder that
/// all lie in.
struct Staged(Vec<OutputFolder>);

impl Staged {
    fn finish(mut self) -> rankine_checkpoint::Result<()> {
        std::mem::take(&mut self.0).into_iter().try_for_each(OutputFolder::finish)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}
