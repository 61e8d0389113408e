//! `rankine compress`: the matrices of a model made smaller.

mod show;
mod way;

use crate::calibration::CalibrationArgs;
use crate::quality::quality;
use crate::stages::Stages;
use crate::weights::{self, WeightsArgs};
use crate::{Context, Exit, disk::Room, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::Opened;
use rankine_run::{Modules, TargetSection};
use rankine_surgery::{Compression, CompressionReport, Progress, Subject, WriteOptions};
use show::Evaluation;
use std::path::{Path, PathBuf};
use way::WayArgs;

/// Make the matrices of a model smaller
///
/// Linear layers are made smaller one at a time, and their errors are told; embeddings, heads and norms stay as they are. Two
/// thin factors take the place of a matrix (`lowrank`, `svd-activation`), which generate, chat, evaluate, train and merge take as
/// any model; with --dense they are multiplied out, for other programs. A matrix whose factors would not be smaller is left
/// alone. All other methods give matrices of the old shape, which every program loads. `svd-activation` and `wanda` look at what
/// the layers see of --calibration.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compress {
    /// Known name, hub repository, directory, .gguf file, or image classifier's weights
    model: String,
    #[command(flatten)]
    way: WayArgs,
    /// Layers to make smaller: `all-linear`, or names with commas between
    #[arg(long, value_name = "NAMES", default_value = "all-linear")]
    target: String,
    /// Multiply factors out: a model that other programs load, no smaller than before
    #[arg(long)]
    dense: bool,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Measure the model before and after on these data, as `rankine evaluate` does
    #[arg(long, value_name = "PATH", conflicts_with = "dry_run")]
    eval: Option<PathBuf>,
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
  rankine compress smollm2-135m --rank 64 --dense --svd randomized --output smaller
  rankine compress smollm2-135m --method svd-activation --calibration book.txt --eval held_out.txt --output thin
  rankine compress smollm2-135m --method prune-2:4 --calibration book.txt --output pruned
  rankine compress smollm2-135m --method quantize --bits 3 --group-size 64 --output rounded
  rankine compress ./vit --method magnitude --sparsity 0.5 --output pruned";

impl Compress {
    /// Compresses, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let way = self.way.way(self.calibration.path().is_some())?;
        let path = model::find(context, &self.model)?;
        let model = model::open(context, &path)?;
        let options = self.options(context, &model)?;
        weights::tell_of_doubles(context, model.tensors(), &options);
        rankine_surgery::check_apart(&self.weights.output, &self.read(&path))?;
        // Before anything is measured.
        let room = match self.dry_run {
            true => None,
            false => {
                Subject::from(&model).check_output(&self.weights.output, &options)?;
                Some(self.room(context, &model, &options)?)
            }
        };
        let before = self.eval.as_ref().map(|data| quality(context, &path, None, data)).transpose()?;
        let inputs = self.calibration.inputs(&path)?;
        let targets = TargetSection { modules: Modules::named(&self.target), ..TargetSection::default() };
        let compression = Compression {
            method: way.as_ref(),
            targets: targets.targets(),
            dense: self.dense,
            inputs: inputs.as_deref(),
        };
        let report = self.compress(context, &compression, (&model, &options))?;
        // The model in memory makes room for the next one.
        drop(inputs);
        let room = match room {
            Some(room) => room,
            None => Room::ask(context, &self.weights.output, report.plan.bytes, true)?,
        };
        let evaluation = match before.zip(self.eval.as_deref()) {
            Some((original, data)) => {
                let compressed = quality(context, &self.weights.output, None, data)?;
                Some(Evaluation { data, original, compressed })
            }
            None => None,
        };
        match self.json {
            true => context.show_json(&self.report(&report, evaluation, room))?,
            false => context.show(&self.page(&report, evaluation, room))?,
        }
        Ok(Exit::Done)
    }

    fn compress(
        &self,
        context: &Context,
        compression: &Compression<'_>,
        (model, options): (&Opened, &WriteOptions),
    ) -> anyhow::Result<CompressionReport> {
        let subject = Subject::from(model);
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let report = match self.dry_run {
            true => compression.plan(subject, options, watch),
            false => compression.run(subject, &self.weights.output, options, watch),
        };
        report.with_context(|| format!("while compressing `{}`", self.model))
    }

    /// The room on the disk: an error where it is too little for matrices of the old shapes; how large factors are shows later.
    fn room(&self, context: &Context, model: &Opened, options: &WriteOptions) -> anyhow::Result<Room> {
        let needed = match self.way.method.makes_factors() && !self.dense {
            true => 0,
            false => rankine_surgery::plan_rewrite(Subject::from(model), options)?.bytes,
        };
        Room::ask(context, &self.weights.output, needed, false)
    }

    /// Everything that is read.
    fn read(&self, model: &Path) -> Vec<PathBuf> {
        [model].into_iter().chain(self.data()).map(Path::to_owned).collect()
    }

    /// How the result is written.
    fn options(&self, context: &Context, model: &Opened) -> anyhow::Result<WriteOptions> {
        let mut options = self.weights.options(context, tokenizers::companions(model)?);
        options.inputs.extend(self.data().map(Path::to_owned));
        Ok(options)
    }

    /// The data that are read.
    fn data(&self) -> impl Iterator<Item = &Path> {
        self.eval.as_deref().into_iter().chain(self.calibration.path())
    }
}
