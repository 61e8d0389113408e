//! `rankine merge`: an adapter's changes written into a copy of its base.

use crate::bar::{self, Bar};
use crate::errors::Failure;
use crate::{Context, Exit, model, units};
use anyhow::Context as _;
use rankine_checkpoint::{Checkpoint, Dtype, Existing};
use rankine_nn::{LanguageModel as _, Pass, Tokens};
use rankine_report::{Cell, Column, Page, Table};
use rankine_surgery::{MergeReport, Plan, Progress, Stage, WriteOptions};
use std::path::{Path, PathBuf};

/// Write an adapter's changes into a copy of its base model
///
/// The result is plain safetensors with config.json and tokenizer, which transformers loads. Weights are streamed: memory
/// does not grow with the model.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// Known name, hub repository, directory or .gguf file of the base
    model: String,
    /// Directory of the adapter, such as the output of `rankine train`
    adapter: PathBuf,
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Type of all weights; without it each keeps its own, and quantised ones become f32
    #[arg(long)]
    dtype: Option<StoredType>,
    /// Most bytes of weights in a file
    #[arg(long, default_value = "5GB", value_name = "SIZE", value_parser = units::parse_bytes)]
    shard_size: u64,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Compare logits of the result with those of base and adapter; exit code 1 when they differ
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine merge smollm2-135m runs/first --output merged
  rankine merge smollm2-135m runs/first --output merged --dtype bf16 --shard-size 2GB --verify
  rankine merge smollm2-135m runs/first --output merged --dry-run";

/// A text whose logits are compared.
const PROBE: &str = "The quick brown fox jumps over the lazy dog. 1 + 1 = 2, and then?";

/// Words of the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
enum StoredType {
    F32,
    F16,
    Bf16,
}

impl StoredType {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::Bf16,
        }
    }
}

impl Merge {
    /// Merges, and checks the result if asked.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.model)?;
        let base = Checkpoint::open(&path)?;
        let adapter = rankine_run::open_adapter(&path, &self.adapter)?;
        let options = self.options(&base)?;
        let merging = || format!("while merging `{}` into `{}`", self.adapter.display(), self.model);
        if self.dry_run {
            let plan = rankine_surgery::plan_merge(&base, &adapter, &options).with_context(merging)?;
            context.show(&plan_page(&self.output, &plan))?;
            return Ok(Exit::Done);
        }
        let mut watcher = Watcher { context, stage: None };
        let watch = &mut |progress: Progress| watcher.see(progress);
        let report =
            rankine_surgery::merge(&base, &adapter, &self.output, &options, watch).with_context(merging)?;
        drop(watcher);
        drop(base);
        context.show(&report_page(&self.output, &report))?;
        if self.verify { self.check(context, &path) } else { Ok(Exit::Done) }
    }

    fn options(&self, base: &Checkpoint) -> anyhow::Result<WriteOptions> {
        Ok(WriteOptions {
            dtype: self.dtype.map(StoredType::dtype),
            shard_bytes: self.shard_size,
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
            extra_files: rankine_run::tokenizer_companions(base)?,
            ..WriteOptions::default()
        })
    }

    /// Compares base and adapter in memory with what was written.
    fn check(&self, context: &Context, base: &Path) -> anyhow::Result<Exit> {
        let expected = probe(base, Some(&self.adapter)).context("while verifying the merged model")?;
        let merged = probe(&self.output, None).context("while verifying the merged model")?;
        if expected.len() != merged.len() {
            let (found, expected) = (merged.len(), expected.len());
            return Err(Failure::new(format!("the merged model gives {found} logits, not {expected}")).into());
        }
        let scale = expected.iter().fold(0.0_f32, |scale, logit| scale.max(logit.abs()));
        let differences = expected.iter().zip(&merged).map(|(a, b)| (a - b).abs());
        // A NaN is larger than every limit.
        let largest = differences.fold(0.0_f32, |most, next| if next <= most { most } else { next });
        let limit = scale * tolerance(&self.output)?;
        let same = largest <= limit;
        let verdict = if same { "the same model" } else { "NOT the same model" };
        context.show(Page::new("Verification").facts(&[
            ("largest difference of logits", Cell::number(largest, 3)),
            ("largest logit", Cell::number(scale, 3)),
            ("limit", Cell::number(limit, 3)),
            ("verdict", Cell::text(verdict)),
        ]))?;
        Ok(if same { Exit::Done } else { Exit::CheckFailed })
    }
}

/// Largest share of the largest logit by which logits may differ. Weights rounded to 11 or 8 bits move them.
fn tolerance(merged: &Path) -> anyhow::Result<f32> {
    Ok(match Checkpoint::open(merged)?.config().dtype {
        Some(Dtype::F16) => 5e-3,
        Some(Dtype::Bf16) => 4e-2,
        _ => 1e-3,
    })
}

/// Logits of every token of a short text; [t · v].
fn probe(model: &Path, adapter: Option<&Path>) -> anyhow::Result<Vec<f32>> {
    let loaded = rankine_run::load(model, adapter)?;
    let tokens = loaded.tokenizer.encode(PROBE, true)?;
    let hidden = loaded.model.hidden(&Tokens::single(&tokens), &mut Pass::quiet())?;
    Ok(loaded.model.logits(&hidden)?.to_vec())
}

fn files(plan: &Plan) -> Table {
    let mut table = Table::new([Column::text("file"), Column::number("weights")]);
    for (name, bytes) in &plan.files {
        table.row([Cell::text(name), Cell::Bytes(*bytes)]);
    }
    table
}

fn plan_page(output: &Path, plan: &Plan) -> Page {
    let mut page = Page::new(format!("Would write {}", output.display()));
    page.facts(&[("parameters", Cell::Count(plan.parameters)), ("weights", Cell::Bytes(plan.bytes))]);
    page.table(files(plan));
    page
}

fn report_page(output: &Path, report: &MergeReport) -> Page {
    let moved: Vec<f64> = report.changes.iter().filter_map(|change| change.relative).collect();
    let largest = moved.iter().copied().fold(0.0, f64::max);
    let mut page = Page::new(format!("Merged into {}", output.display()));
    let mut facts = vec![
        ("parameters", Cell::Count(report.plan.parameters)),
        ("weights", Cell::Bytes(report.plan.bytes)),
        ("changed tensors", Cell::Count(report.changes.len() as u64)),
        ("largest relative change", Cell::number(largest, 3)),
    ];
    if report.untied {
        facts.push((
            "embedding and head",
            Cell::text("no longer one tensor: the adapter changes one of them"),
        ));
    }
    page.facts(&facts);
    page.table(files(&report.plan));
    page
}

/// One bar for each stage.
struct Watcher<'a> {
    context: &'a Context,
    stage: Option<(Stage, Bar)>,
}

impl Watcher<'_> {
    fn see(&mut self, Progress { stage, done, total }: Progress) {
        if self.stage.as_ref().is_none_or(|(shown, _)| *shown != stage) {
            self.stage = None;
            let bar = match stage {
                Stage::Decomposing => bar::counting(self.context, "decomposing", total),
                Stage::Writing => bar::bytes(self.context, "writing", total),
            };
            self.stage = Some((stage, bar));
        }
        if let Some((_, bar)) = &self.stage {
            bar.set(done);
        }
    }
}
