//! `rankine compress`: the matrices of a model made smaller.

use crate::errors::Failure;
use crate::stages::Stages;
use crate::weights::WeightsArgs;
use crate::{Context, Exit, model};
use anyhow::Context as _;
use rankine_checkpoint::{Checkpoint, ImageCheckpoint};
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_run::{Modules, TargetSection};
use rankine_surgery::{
    Compress as Way, CompressedMatrix, Compression, CompressionReport, Extent, LowRank, Magnitude, Progress,
    Subject,
};
use serde::Serialize;
use std::path::Path;

/// Make the matrices of a model smaller
///
/// Linear layers are made smaller one at a time, and their errors are told; embeddings, heads and norms stay as they are. Two
/// thin factors take the place of a matrix (`lowrank`), which generate, chat, evaluate, train and merge take as any model; with
/// --dense they are multiplied out, for other programs. A matrix whose factors would not be smaller is left alone.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compress {
    /// Known name, hub repository, directory, .gguf file, or image classifier's weights
    model: String,
    /// How matrices are made smaller
    #[arg(long, default_value = "lowrank")]
    method: Method,
    /// For `lowrank`: share of the numbers of every matrix that its factors have, above 0 and below 1; 0.5 when nothing is said
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["rank", "energy", "sparsity"])]
    ratio: Option<f64>,
    /// For `lowrank`: rank of every matrix
    #[arg(long, value_name = "N", conflicts_with_all = ["energy", "sparsity"])]
    rank: Option<usize>,
    /// For `lowrank`: share of the sum of squared singular values that is kept, above 0 and at most 1
    #[arg(long, value_name = "SHARE", conflicts_with = "sparsity")]
    energy: Option<f64>,
    /// For `magnitude`: share of the numbers of every matrix that become zero, above 0 and below 1
    #[arg(long, value_name = "SHARE")]
    sparsity: Option<f64>,
    /// Layers to make smaller: `all-linear`, or names with commas between
    #[arg(long, value_name = "NAMES", default_value = "all-linear")]
    target: String,
    /// Multiply factors out: a model that other programs load, no smaller than before
    #[arg(long)]
    dense: bool,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine compress smollm2-135m --ratio 0.5 --output thin
  rankine compress smollm2-135m --energy 0.9 --target mlp.up_proj,mlp.down_proj --output thin --dry-run
  rankine compress smollm2-135m --rank 64 --dense --output smaller
  rankine compress ./vit --method magnitude --sparsity 0.5 --output pruned";

/// Ways to make a matrix smaller.
#[derive(Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// Two thin factors, from the truncated SVD
    Lowrank,
    /// Zeros in the place of the smallest numbers
    Magnitude,
}

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    method: Method,
    dry_run: bool,
    parameters_before: u64,
    parameters: u64,
    bytes_before: u64,
    bytes: u64,
    relative_error: Option<f64>,
    matrices: Vec<Matrix<'a>>,
    left: &'a [String],
}

#[derive(Serialize)]
struct Matrix<'a> {
    module: &'a str,
    shape: [usize; 2],
    rank: Option<usize>,
    relative_error: Option<f64>,
}

impl Compress {
    /// Compresses, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let method = self.way()?;
        let path = model::find(context, &self.model)?;
        if let Some(images) = ImageCheckpoint::open(&path)? {
            return self.compress(context, method.as_ref(), Subject::Images(&images), Vec::new());
        }
        let model = Checkpoint::open(&path)?;
        let files = rankine_run::tokenizer_companions(&model)?;
        self.compress(context, method.as_ref(), Subject::Texts(&model), files)
    }

    fn compress(
        &self,
        context: &Context,
        method: &dyn Way,
        subject: Subject<'_>,
        extra_files: Vec<(String, Vec<u8>)>,
    ) -> anyhow::Result<Exit> {
        let targets = TargetSection { modules: Modules::named(&self.target), ..TargetSection::default() };
        let compression = Compression { method, targets: targets.targets(), dense: self.dense };
        let options = self.weights.options(extra_files);
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let report = match self.dry_run {
            true => compression.plan(subject, &options, watch),
            false => compression.run(subject, &self.weights.output, &options, watch),
        };
        let report = report.with_context(|| format!("while compressing `{}`", self.model))?;
        drop(stages);
        match self.json {
            true => context.show_json(&self.report(&report))?,
            false => context.show(&self.page(&report))?,
        }
        Ok(Exit::Done)
    }

    /// The method with its settings; one of another's is an error.
    fn way(&self) -> anyhow::Result<Box<dyn Way>> {
        let extent = match (self.ratio, self.rank, self.energy) {
            (Some(share), ..) => Some(Extent::Ratio(share)),
            (_, Some(rank), _) => Some(Extent::Rank(rank)),
            (.., Some(share)) => Some(Extent::Energy(share)),
            _ => None,
        };
        match (self.method, extent, self.sparsity) {
            (Method::Lowrank, extent, None) => {
                Ok(Box::new(LowRank { extent: extent.unwrap_or(Extent::Ratio(0.5)) }))
            }
            (Method::Magnitude, None, Some(sparsity)) => Ok(Box::new(Magnitude { sparsity })),
            (Method::Lowrank, ..) => {
                let message = "`lowrank` leaves no zeros, so there is no `--sparsity`";
                Err(Failure::with_hint(message, "give `--ratio`, `--rank` or `--energy`").into())
            }
            (Method::Magnitude, ..) => {
                let message = "`magnitude` takes `--sparsity`, and no rank";
                Err(Failure::with_hint(message, "for example `--sparsity 0.5`").into())
            }
        }
    }

    fn report<'a>(&'a self, report: &'a CompressionReport) -> Report<'a> {
        let matrix = |matrix: &'a CompressedMatrix| Matrix {
            module: &matrix.module,
            shape: matrix.shape,
            rank: matrix.rank,
            relative_error: matrix.relative,
        };
        Report {
            output: &self.weights.output,
            method: self.method,
            dry_run: self.dry_run,
            parameters_before: report.parameters,
            parameters: report.plan.parameters,
            bytes_before: report.bytes,
            bytes: report.plan.bytes,
            relative_error: report.relative,
            matrices: report.matrices.iter().map(matrix).collect(),
            left: &report.left,
        }
    }

    fn page(&self, report: &CompressionReport) -> Page {
        let title = if self.dry_run { "Would write" } else { "Compressed into" };
        let mut page = Page::new(format!("{title} {}", self.weights.output.display()));
        page.facts(&[
            ("matrices made smaller", Cell::Count(report.matrices.len() as u64)),
            ("left alone", Cell::Count(report.left.len() as u64)),
            ("parameters before", Cell::Count(report.parameters)),
            ("parameters", Cell::Count(report.plan.parameters)),
            ("weights before", Cell::Bytes(report.bytes)),
            ("weights", Cell::Bytes(report.plan.bytes)),
            ("relative error", error(report.relative)),
        ]);
        let names = [Column::text("module"), Column::text("shape")];
        let numbers = [Column::number("rank"), Column::number("relative error")];
        let mut table = Table::new(names.into_iter().chain(numbers));
        for CompressedMatrix { module, shape: [rows, columns], rank, relative } in &report.matrices {
            table.row([
                Cell::text(module),
                Cell::text(format!("{rows} × {columns}")),
                rank.map_or(Cell::Missing, |rank| Cell::Count(rank as u64)),
                error(*relative),
            ]);
        }
        page.table(table);
        let thin = !self.dense && report.matrices.iter().any(|matrix| matrix.rank.is_some());
        if thin && !self.dry_run {
            let text = format!(
                "the weights are stored as factors, which other programs do not read: `rankine merge {} --output WHOLE` \
                 multiplies them out",
                self.weights.output.display()
            );
            page.note(Level::Note, text);
        }
        page
    }
}

fn error(relative: Option<f64>) -> Cell {
    relative.map_or(Cell::Missing, |relative| Cell::text(format::percent(relative)))
}
