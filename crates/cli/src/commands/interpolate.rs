//! `rankine interpolate`: the models on the line between two others.

use crate::disk::Room;
use crate::line::{self, LineArgs};
use crate::pages::PageFile;
use crate::resume::ResumeArgs;
use crate::stages::Stages;
use crate::{Context, Exit, model, tokenizers, weights};
use anyhow::Context as _;
use rankine_checkpoint::{Existing, Opened};
use rankine_report::{Cell, Page};
use rankine_run::{PathPoint, barrier};
use rankine_surgery::{Interpolated, Plan, Progress, Subject, WriteOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Measure the models on the line between two others, and write one of them
///
/// Loss and accuracy of (1 − t)·A + t·B from the first model to the second. The barrier is how far the loss rises above the line
/// between its two ends: near 0 for two fine-tunes of one base, high for networks from different starts, unless they are aligned
/// (`rankine align`). With --output the best of the measured models is written, or that at --at.
#[derive(clap::Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("steps", |steps| steps.requires("eval")),
    mut_group("MeasureArgs", |group| group.requires("eval"))
)]
pub struct Interpolate {
    /// Known name, hub repository, directory or file of the first model
    first: String,
    /// The same of the second
    second: String,
    /// The data to measure on: JSON, JSONL, CSV, TSV or plain text; of images a folder with a folder for every class, or an
    /// IDX file
    #[arg(long, value_name = "FILE", required_unless_present = "at")]
    eval: Option<PathBuf>,
    #[command(flatten)]
    line: LineArgs,
    /// Directory to write a model to
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write the model with this share of the second; below 0 or above 1 goes beyond them
    #[arg(long, value_name = "SHARE", requires = "output", allow_negative_numbers = true)]
    at: Option<f64>,
    /// Replace the output if it exists
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    resume: ResumeArgs,
    /// Write a page with the plots here
    #[arg(long, value_name = "FILE", requires = "eval")]
    html: Option<PathBuf>,
    /// Say what would be written of the model at --at, and write nothing
    #[arg(long, requires = "at", conflicts_with = "eval")]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine interpolate smollm2-135m ./tuned --eval held_out.jsonl
  rankine interpolate ./first ./aligned --steps 21 --eval digits --html path.html
  rankine interpolate ./base ./tuned --eval held_out.jsonl --output best
  rankine interpolate ./base ./tuned --at 0.5 --output middle --dry-run";

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    first: &'a str,
    second: &'a str,
    data: Option<&'a Path>,
    barrier: Option<f64>,
    points: &'a [PathPoint],
    output: Option<&'a Path>,
    dry_run: bool,
    /// Share of the second in what was written.
    written: Option<f64>,
    bytes: Option<u64>,
    #[serde(flatten)]
    room: Option<Room>,
}

/// A model that is written, or would be.
struct Written {
    at: f64,
    plan: Plan,
    room: Room,
}

impl Interpolate {
    /// Measures, and writes what was asked for.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let worked = self.work(context);
        worked.with_context(|| format!("while going from `{}` to `{}`", self.first, self.second))
    }

    fn work(&self, context: &Context) -> anyhow::Result<Exit> {
        let paths = [model::find(context, &self.first)?, model::find(context, &self.second)?];
        let read: Vec<PathBuf> = paths.iter().cloned().chain(self.eval.clone()).collect();
        let file = PageFile::html(self.html.as_deref(), read.clone())?;
        let [first, second] = [model::open(context, &paths[0])?, model::open(context, &paths[1])?];
        tokenizers::warn(context, &first, &second)?;
        let pair = Subject::from(&first).pair(Subject::from(&second))?;
        let output = match &self.output {
            Some(output) => Some((output.as_path(), self.options(context, &first, &second)?)),
            None => None,
        };
        let mut planned = None;
        if let Some((output, options)) = &output {
            // Before the data are read many times; which of the measured models it will be does not matter.
            let model = Interpolated::new(pair, self.at.unwrap_or_default());
            match self.dry_run {
                true => rankine_surgery::check_apart(output, &read)?,
                false => model.check(Subject::from(&first), output, options)?,
            }
            let plan = rankine_surgery::plan_rewrite(Subject::from(&first), options)?;
            let room = Room::ask(context, output, plan.bytes, self.dry_run)?;
            weights::tell_of_doubles(context, first.tensors(), options);
            planned = Some((plan, room));
        }
        let mut stages = Stages::new(context);
        let points = match &self.eval {
            Some(data) => {
                let examiner = self.line.measure.examiner(&paths[0], data)?;
                self.line.walk(&examiner, pair, &mut stages)?
            }
            None => Vec::new(),
        };
        let lowest = points.iter().min_by(|one, other| one.nll.total_cmp(&other.nll)).map(|point| point.t);
        let at = self.at.or(lowest).filter(|_| self.output.is_some());
        let mut written = at.zip(planned).map(|(at, (plan, room))| Written { at, plan, room });
        if let (Some(written), Some((output, options)), false) = (&mut written, &output, self.dry_run) {
            let watch = &mut |progress: Progress| stages.see(progress);
            let model = Interpolated::new(pair, written.at);
            written.plan = model.write(Subject::from(&first), output, options, watch)?;
        }
        drop(stages);
        let page = self.page(&points, written.as_ref());
        file.write(|| page.clone())?;
        match self.json {
            true => context.show_json(&self.report(&points, written.as_ref()))?,
            false => context.show(&page)?,
        }
        Ok(Exit::Done)
    }

    /// How a model is written.
    fn options(&self, context: &Context, first: &Opened, second: &Opened) -> anyhow::Result<WriteOptions> {
        // Which model is written may depend on the data.
        let read = [second.path()].into_iter().chain(self.eval.as_deref());
        Ok(WriteOptions {
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
            inputs: read.map(Path::to_owned).collect(),
            extra_files: tokenizers::companions(first)?,
            resume: Some(self.resume.resume(context)),
            ..WriteOptions::default()
        })
    }

    fn report<'a>(&'a self, points: &'a [PathPoint], written: Option<&Written>) -> Report<'a> {
        Report {
            first: &self.first,
            second: &self.second,
            data: self.eval.as_deref(),
            barrier: (!points.is_empty()).then(|| barrier(points)),
            points,
            output: self.output.as_deref(),
            dry_run: self.dry_run,
            written: written.map(|written| written.at),
            bytes: written.map(|written| written.plan.bytes),
            room: written.map(|written| written.room),
        }
    }

    fn page(&self, points: &[PathPoint], written: Option<&Written>) -> Page {
        let mut page = Page::new(format!("From {} to {}", self.first, self.second));
        let mut facts = Vec::new();
        if let Some(data) = &self.eval {
            facts.push(("measured on", Cell::text(data.display().to_string())));
            facts.push(("barrier", Cell::fixed(barrier(points), 4)));
        }
        if let (Some(output), Some(Written { at, plan, room })) = (&self.output, written) {
            let label = if self.dry_run { "would be written to" } else { "written to" };
            facts.push((label, Cell::text(output.display().to_string())));
            facts.push(("share of the second", Cell::fixed(*at, 3)));
            facts.push(("weights", Cell::Bytes(plan.bytes)));
            facts.push(room.fact());
        }
        page.facts(&facts);
        if !points.is_empty() {
            let lines: [(&str, &[PathPoint]); 1] = [("models between", points)];
            page.table(line::table(&lines));
            for plot in line::plots(&lines) {
                page.plot(plot);
            }
        }
        page
    }
}
