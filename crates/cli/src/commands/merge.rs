//! `rankine merge`: an adapter's changes written into a copy of its base; thin layers multiplied out.

use crate::stages::Stages;
use crate::weights::{self, WeightsArgs, WeightsReport};
use crate::{Context, Exit, adapters, disk::Room, gguf, model};
use anyhow::Context as _;
use rankine_checkpoint::{Adapter, Checkpoint, Config, Dtype, ImageCheckpoint};
use rankine_nn::{Pass, Tokens, models::Storage};
use rankine_report::{Cell, Page};
use rankine_surgery::{GgufTarget, GgufTensor, MergeReport, Plan, Progress, Subject};
use rankine_tensor::Tensor;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write an adapter's changes into a copy of its base model
///
/// The result is plain safetensors with config.json and tokenizer, which transformers loads. Weights are streamed: memory
/// does not grow with the model. A thin model (`rankine compress`, PELA's `thin`) gets whole weights, without an adapter too.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// Known name, hub repository, directory or .gguf file of the base
    model: String,
    /// Directory of the adapter, such as the output of `rankine train`; not needed for a thin model
    adapter: Option<PathBuf>,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Compare logits of the result with those of base and adapter; exit code 1 when they differ
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Write a .gguf base as a .gguf file (--output names it) whose tensors keep their types: only what the adapter changes is
    /// quantised anew, all else is copied
    #[arg(long, value_name = "TYPES", requires = "adapter", conflicts_with_all = ["dtype", "verify"])]
    requantize: Option<Requantize>,
    /// With --requantize, list every tensor that changed and how near it comes to the merged weights
    #[arg(long, requires = "requantize")]
    report: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "verify")]
    json: bool,
}

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    weights: WeightsReport<'a>,
    changes: Vec<Change<'a>>,
    untied: bool,
}

#[derive(Serialize)]
struct Change<'a> {
    name: &'a str,
    relative_change: Option<f64>,
}

/// In which types merged tensors are written, as a word of the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Requantize {
    /// Each in the type of the base
    Same,
}

const EXAMPLES: &str = "\
Examples:
  rankine merge smollm2-135m runs/first --output merged
  rankine merge smollm2-135m runs/first --output merged --dtype bf16 --shard-size 2GB --verify
  rankine merge smollm2-135m runs/first --output merged --dry-run
  rankine merge model-q4_k_m.gguf runs/first --requantize same --output merged-q4_k_m.gguf --report
  rankine merge runs/pela/thin --output whole";

/// Length of the text whose logits are compared.
const PROBE_TOKENS: usize = 32;

impl Merge {
    /// Merges, and checks the result if asked.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.model)?;
        self.check_apart(&path)?;
        let Some(folder) = &self.adapter else {
            return self.run_alone(context, &path);
        };
        if let Some(base) = ImageCheckpoint::open(&path)? {
            if self.requantize.is_some() {
                return Err(rankine_surgery::Error::NotGguf { path }).context("while merging");
            }
            return self.run_images(context, (&path, folder), base);
        }
        let mut base = Checkpoint::open(&path)?;
        let adapter = rankine_run::open_adapter(&path, folder)?;
        adapters::warn(context, (&self.model, &path), folder, &adapter);
        rankine_run::fit_head(&mut base, &adapter, folder)?;
        let adapter = base.settle(adapter)?;
        if let Some(Requantize::Same) = self.requantize {
            return self.run_gguf(context, &base, &adapter);
        }
        let options = self.weights.options(context, rankine_run::tokenizer_companions(&base)?);
        weights::tell_of_doubles(context, base.tensors(), &options);
        let merging = || format!("while merging `{}` into `{}`", folder.display(), self.model);
        let plan = rankine_surgery::plan_merge(&base, &adapter, &options).with_context(merging)?;
        let room = self.room(context, plan.bytes)?;
        if self.dry_run {
            self.show_plan(context, "Would write", &plan, room)?;
            return Ok(Exit::Done);
        }
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let report = rankine_surgery::merge(&base, &adapter, &self.weights.output, &options, watch)
            .with_context(merging)?;
        drop(stages);
        drop(base);
        self.show_report(context, &report, room)?;
        if self.verify { self.check(context, &path) } else { Ok(Exit::Done) }
    }

    /// A GGUF base that stays one.
    fn run_gguf(&self, context: &Context, base: &Checkpoint, adapter: &Adapter) -> anyhow::Result<Exit> {
        self.weights.resume.note_one_file(context);
        let output = &self.weights.output;
        let merging = || format!("while merging into `{}`", self.model);
        let plan = rankine_surgery::plan_merge_gguf(base, adapter).with_context(merging)?;
        let room = self.room(context, plan.bytes())?;
        let report = match self.dry_run {
            true => plan,
            false => {
                let existing = self.weights.existing();
                let to = GgufTarget { target: output, existing, inputs: Vec::new() };
                let mut stages = Stages::new(context);
                let watch = &mut |progress: Progress| stages.see(progress);
                rankine_surgery::merge_gguf(base, adapter, &to, watch).with_context(merging)?
            }
        };
        let title = if self.dry_run { "Would write" } else { "Merged into" };
        match self.json {
            true => context.show_json(&gguf::Report::new(output, self.dry_run, &report, room))?,
            false => {
                let listed = |tensor: &GgufTensor| self.report && tensor.merged;
                context.show(&gguf::page(title, output, (&report, room), listed))?
            }
        }
        Ok(Exit::Done)
    }

    /// The same for an image classifier.
    fn run_images(
        &self,
        context: &Context,
        (path, folder): (&Path, &Path),
        mut base: ImageCheckpoint,
    ) -> anyhow::Result<Exit> {
        let merging = || format!("while merging `{}` into `{}`", folder.display(), self.model);
        let adapter = rankine_run::open_image_adapter(&mut base, folder)?;
        adapters::warn(context, (&self.model, path), folder, &adapter);
        let options = self.weights.options(context, Vec::new());
        weights::tell_of_doubles(context, base.tensors(), &options);
        let plan = rankine_surgery::plan_merge_images(&base, &adapter, &options).with_context(merging)?;
        let room = self.room(context, plan.bytes)?;
        if self.dry_run {
            self.show_plan(context, "Would write", &plan, room)?;
            return Ok(Exit::Done);
        }
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let report = rankine_surgery::merge_images(&base, &adapter, &self.weights.output, &options, watch)
            .with_context(merging)?;
        drop(stages);
        drop(base);
        self.show_report(context, &report, room)?;
        if self.verify { self.check(context, path) } else { Ok(Exit::Done) }
    }

    /// A thin model with whole weights.
    fn run_alone(&self, context: &Context, path: &Path) -> anyhow::Result<Exit> {
        match ImageCheckpoint::open(path)? {
            Some(model) => self.multiply_out(context, Subject::Images(&model)),
            None => self.multiply_out(context, Subject::Texts(&Checkpoint::open(path)?)),
        }
    }

    fn multiply_out(&self, context: &Context, thin: Subject<'_>) -> anyhow::Result<Exit> {
        let options = self.weights.options(context, Vec::new());
        let multiplying = || format!("while multiplying out the factors of `{}`", self.model);
        let plan = rankine_surgery::plan_whole(thin, &options).with_context(multiplying)?;
        let room = self.room(context, plan.bytes)?;
        if self.dry_run {
            self.show_plan(context, "Would write", &plan, room)?;
            return Ok(Exit::Done);
        }
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let plan = rankine_surgery::write_whole(thin, &self.weights.output, &options, watch)
            .with_context(multiplying)?;
        drop(stages);
        self.show_plan(context, "Multiplied out into", &plan, room)?;
        if self.verify { self.check(context, thin.path()) } else { Ok(Exit::Done) }
    }

    /// An error where the output lies among what is read.
    fn check_apart(&self, model: &Path) -> anyhow::Result<()> {
        let read: Vec<PathBuf> = [model.to_owned()].into_iter().chain(self.adapter.clone()).collect();
        let checked = rankine_surgery::check_apart(&self.weights.output, &read);
        checked.with_context(|| format!("while merging into `{}`", self.model))
    }

    fn room(&self, context: &Context, needed: u64) -> anyhow::Result<Room> {
        Room::ask(context, &self.weights.output, needed, self.dry_run)
    }

    fn show_plan(&self, context: &Context, title: &str, plan: &Plan, room: Room) -> anyhow::Result<()> {
        let output = &self.weights.output;
        match self.json {
            true => context.show_json(&WeightsReport::new(output, self.dry_run, plan, room)),
            false => context.show(&weights::page(title, output, plan, room)),
        }
    }

    fn show_report(&self, context: &Context, report: &MergeReport, room: Room) -> anyhow::Result<()> {
        let output = &self.weights.output;
        if !self.json {
            return context.show(&report_page(output, report, room));
        }
        let changes = report.changes.iter();
        let changes =
            changes.map(|change| Change { name: &change.name, relative_change: change.relative }).collect();
        let weights = WeightsReport::new(output, false, &report.plan, room);
        context.show_json(&Report { weights, changes, untied: report.untied })
    }

    /// Compares the base in memory, with its adapter, with what was written.
    fn check(&self, context: &Context, base: &Path) -> anyhow::Result<Exit> {
        let verifying = "while verifying the merged model";
        let expected = probe(base, self.adapter.as_deref()).context(verifying)?;
        let merged = probe(&self.weights.output, None).context(verifying)?;
        let comparison = Comparison::of(&expected, &merged, tolerance(&self.weights.output)?);
        context.show(&comparison.page())?;
        Ok(if comparison.same { Exit::Done } else { Exit::CheckFailed })
    }
}

/// How far the logits of two models are apart.
#[derive(Debug, PartialEq)]
struct Comparison {
    difference: f32,
    largest: f32,
    limit: f32,
    same: bool,
}

impl Comparison {
    /// `tolerance` is a share of the largest logit. Models that give other numbers than finite ones are not the same.
    fn of(expected: &[f32], found: &[f32], tolerance: f32) -> Self {
        let finite = expected.iter().chain(found).all(|logit| logit.is_finite());
        let largest = expected.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
        let differences = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
        let difference = if finite { differences.fold(0.0, f32::max) } else { f32::NAN };
        let limit = largest * tolerance;
        let same = finite && expected.len() == found.len() && difference <= limit;
        Self { difference, largest, limit, same }
    }

    fn page(&self) -> Page {
        let mut page = Page::new("Verification");
        page.facts(&[
            ("largest difference of logits", Cell::number(f64::from(self.difference), 3)),
            ("largest logit", Cell::number(f64::from(self.largest), 3)),
            ("limit", Cell::number(f64::from(self.limit), 3)),
            ("verdict", Cell::text(if self.same { "the same model" } else { "NOT the same model" })),
        ]);
        page
    }
}

/// Largest share of the largest logit by which logits may differ. Weights rounded to 11 or 8 bits move them.
fn tolerance(merged: &Path) -> anyhow::Result<f32> {
    let merged = rankine_checkpoint::open_tensors(merged)?;
    let tolerances = merged.infos().values().map(|info| match info.dtype {
        Dtype::F16 => 5e-3,
        Dtype::Bf16 => 4e-2,
        _ => 1e-3,
    });
    Ok(tolerances.fold(1e-3, f32::max))
}

/// Logits of every token of a short text that any model can read, or of the whole text or an image for a classifier; [t · v] or
/// [classes].
fn probe(model: &Path, adapter: Option<&Path>) -> anyhow::Result<Vec<f32>> {
    if let Some(opened) = ImageCheckpoint::open(model)? {
        let loaded = rankine_run::load_images(opened, adapter, Storage::File)?;
        let [channels, height, width] = loaded.sides();
        // From −1 to 1, everywhere another: the factor is a prime.
        let pixel = |at: usize| (at * 37 % 101) as f32 / 50.0 - 1.0;
        let pixels = (0..channels * height * width).map(pixel).collect();
        let image = Tensor::new(pixels, &[1, channels, height, width])?;
        return Ok(loaded.model.logits(&image, &mut Pass::quiet())?.to_vec());
    }
    if rankine_run::is_classifier(model, adapter)? {
        let (model, config) = rankine_run::load_classifier_model(model, adapter)?;
        return Ok(model.logits(&Tokens::single(&probe_tokens(&config)), &mut Pass::quiet())?.to_vec());
    }
    let (model, config) = rankine_run::load_model(model, adapter)?;
    let hidden = model.hidden(&Tokens::single(&probe_tokens(&config)), &mut Pass::quiet())?;
    Ok(model.logits(&hidden)?.to_vec())
}

fn probe_tokens(config: &Config) -> Vec<u32> {
    let length = config.context.min(PROBE_TOKENS);
    // Spread over the vocabulary: the factor is a prime.
    (0..length).map(|at| ((at * 7919 + 1) % config.vocabulary) as u32).collect()
}

fn report_page(output: &Path, report: &MergeReport, room: Room) -> Page {
    let moved: Vec<f64> = report.changes.iter().filter_map(|change| change.relative).collect();
    let largest = moved.iter().copied().fold(0.0, f64::max);
    let mut page = Page::new(format!("Merged into {}", output.display()));
    let mut facts = vec![
        ("parameters", Cell::Count(report.plan.parameters)),
        ("weights", Cell::Bytes(report.plan.bytes)),
        ("changed tensors", Cell::Count(report.changes.len() as u64)),
        ("largest relative change", Cell::number(largest, 3)),
        room.fact(),
    ];
    if report.untied {
        facts.push((
            "embedding and head",
            Cell::text("no longer one tensor: the adapter changes one of them"),
        ));
    }
    page.facts(&facts);
    page.table(weights::files(&report.plan));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_the_same_within_the_tolerance_only() {
        assert!(Comparison::of(&[1.0, -8.0], &[1.0, -8.007], 1e-3).same);
        assert!(!Comparison::of(&[1.0, -8.0], &[1.0, -8.009], 1e-3).same);
        assert!(!Comparison::of(&[1.0, -8.0], &[1.0], 1e-3).same);
    }

    #[test]
    fn numbers_that_are_not_finite_are_never_the_same() {
        for broken in [[f32::NAN, 1.0], [1.0, f32::INFINITY]] {
            assert!(!Comparison::of(&[1.0, 1.0], &broken, 1e-3).same);
            assert!(!Comparison::of(&broken, &broken, 1e-3).same);
        }
    }
}
