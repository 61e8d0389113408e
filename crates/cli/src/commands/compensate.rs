//! `rankine compensate`: corrections of low rank that make a compressed model more like the one it was made of.

mod show;

use crate::calibration::CalibrationArgs;
use crate::disk::Room;
use crate::errors::Failure;
use crate::quality::{Quality, quality};
use crate::stages::Stages;
use crate::weights::{self, WeightsArgs};
use crate::{Context, Exit, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::{Adapter, Opened, module_names};
use rankine_run::{Modules, TargetSection};
use rankine_surgery::{
    AdapterOutput, Compensated, Compensation, CompensationPlan, Correction, Error, Inputs, Progress, Subject,
    merge, merge_images, plan_rewrite,
};
use serde::Serialize;
use show::Evaluation;
use std::path::{Path, PathBuf};

/// Make up for a compression, without training
///
/// Every linear layer that the compression changed gets a correction B·A of low rank, which with `eora` changes most of what the
/// layer answers to --calibration back; no other correction of that rank does better. The result is a plain LoRA for the
/// compressed model, which peft reads, and generate, chat, evaluate, train and merge take with --adapter; with --merge it is a
/// model, whose weights are no longer pruned or rounded. `svd` needs no --calibration; with it, errors of answers are told.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compensate {
    /// The model as it was: known name, hub repository, directory, .gguf file, or image classifier's weights
    model: String,
    /// What compression made of it; a .gguf file of it too
    compressed: String,
    /// In which norm corrections are nearest
    #[arg(long, default_value = "eora")]
    method: Method,
    /// Rank of every correction
    #[arg(long, default_value_t = 32, value_name = "N")]
    rank: usize,
    /// Layers to correct: `all-linear`, or names with commas between
    #[arg(long, value_name = "NAMES", default_value = "all-linear")]
    target: String,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Add the corrections to the compressed weights: a model instead of an adapter
    #[arg(long)]
    merge: bool,
    /// Measure the model, what compression made of it, and the result on these data, as `rankine evaluate` does
    #[arg(long, value_name = "PATH", conflicts_with = "dry_run")]
    eval: Option<PathBuf>,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Say what would be written at most, and find and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine compensate smollm2-135m ./pruned --calibration book.txt --rank 32 --output correction
  rankine compensate smollm2-135m ./model-q4_0.gguf --calibration book.txt --eval held_out.txt --output correction
  rankine compensate smollm2-135m ./rounded --method svd --rank 128 --merge --output whole
  rankine compensate smollm2-135m ./pruned --calibration book.txt --output correction --dry-run";

/// The norm in which a correction is nearest.
#[derive(Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// That of what a layer answers, by the second moment of its inputs
    Eora,
    /// Columns weighed by the mean magnitude of their input
    Activation,
    /// All numbers alike
    Svd,
}

impl Method {
    fn correction(self) -> Correction {
        match self {
            Self::Eora => Correction::Eora,
            Self::Activation => Correction::Activation,
            Self::Svd => Correction::Svd,
        }
    }
}

impl Compensate {
    /// Compensates, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let worked = self.work(context);
        worked.with_context(|| format!("while compensating `{}`", self.compressed))
    }

    fn work(&self, context: &Context) -> anyhow::Result<Exit> {
        let paths = [model::find(context, &self.model)?, model::find(context, &self.compressed)?];
        let (model, compressed) = (model::open(context, &paths[0])?, model::open(context, &paths[1])?);
        tokenizers::warn(context, &model, &compressed)?;
        let output = self.output(&paths);
        match self.dry_run {
            true => rankine_surgery::check_apart(output.target, &output.inputs)?,
            false => output.check()?,
        }
        let (plan, room) = self.plan(context, [&model, &compressed])?;
        if self.dry_run {
            match self.json {
                true => context.show_json(&self.planned(plan, room))?,
                false => context.show(&self.planned_page(plan, room))?,
            }
            return Ok(Exit::Done);
        }
        let inputs = self.calibration.inputs(&paths[0])?;
        let [original, before] = [self.quality(context, &paths[0])?, self.quality(context, &paths[1])?];
        let compensated = self.compensated(context, [&model, &compressed], inputs.as_deref())?;
        // The model in memory makes room for the next one.
        drop(inputs);
        match self.merge {
            true => self.merged(context, &compressed, &compensated.adapter, output.inputs)?,
            false => {
                self.weights.resume.note_one_file(context);
                output.write(&compensated.adapter)?;
            }
        }
        let evaluation = match (original, before, &self.eval) {
            (Some(original), Some(compressed), Some(data)) => {
                let result = self.weights.output.as_path();
                let (path, adapter) =
                    if self.merge { (result, None) } else { (paths[1].as_path(), Some(result)) };
                let compensated = quality(context, path, adapter, data)?;
                Some(Evaluation { data, original, compressed, compensated })
            }
            _ => None,
        };
        match self.json {
            true => context.show_json(&self.report(&compensated, evaluation, room))?,
            false => context.show(&self.page(&compensated, evaluation, room))?,
        }
        Ok(Exit::Done)
    }

    /// The output, which is nothing that is read.
    fn output(&self, paths: &[PathBuf; 2]) -> AdapterOutput<'_> {
        let data = self.eval.as_deref().into_iter().chain(self.calibration.path()).map(Path::to_owned);
        let inputs = paths.iter().cloned().chain(data).collect();
        AdapterOutput { target: &self.weights.output, existing: self.weights.existing(), inputs }
    }

    fn quality(&self, context: &Context, path: &Path) -> anyhow::Result<Option<Quality>> {
        self.eval.as_ref().map(|data| quality(context, path, None, data)).transpose()
    }

    fn compensated(
        &self,
        context: &Context,
        [model, compressed]: [&Opened; 2],
        inputs: Option<&dyn Inputs>,
    ) -> anyhow::Result<Compensated> {
        let compensation = self.compensation(inputs)?;
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let mut compensated = compensation.run(Subject::from(model), Subject::from(compressed), watch)?;
        if !self.merge {
            // peft calls modules as transformers does now.
            compensated.adapter.rename(module_names::of_transformers);
        }
        Ok(compensated)
    }

    fn compensation<'a>(&self, inputs: Option<&'a dyn Inputs>) -> anyhow::Result<Compensation<'a>> {
        let targets = TargetSection { modules: Modules::named(&self.target), ..TargetSection::default() };
        Ok(Compensation {
            correction: self.method.correction(),
            rank: self.rank,
            targets: targets.targets(),
            base: model::lasting_name(&self.compressed)?,
            inputs,
        })
    }

    /// What is written at most, and the room for it, before the work is done: a merged model has the tensors of the compressed one.
    fn plan(
        &self,
        context: &Context,
        [model, compressed]: [&Opened; 2],
    ) -> anyhow::Result<(CompensationPlan, Room)> {
        let subject = Subject::from(compressed);
        if self.merge && matches!(compressed, Opened::Bare(_)) {
            return Err(self.no_model());
        }
        if self.calibration.path().is_none() && !matches!(self.method, Method::Svd) {
            return Err(Error::NoCalibration.into());
        }
        let mut plan = self.compensation(None)?.plan(Subject::from(model), subject)?;
        if self.merge {
            plan.bytes = plan_rewrite(subject, &self.weights.options(context, Vec::new()))?.bytes;
        }
        Ok((plan, Room::ask(context, &self.weights.output, plan.bytes, self.dry_run)?))
    }

    /// Writes the compressed model with the corrections in its weights.
    fn merged(
        &self,
        context: &Context,
        compressed: &Opened,
        adapter: &Adapter,
        inputs: Vec<PathBuf>,
    ) -> anyhow::Result<()> {
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let target = &self.weights.output;
        let mut options = self.weights.options(context, Vec::new());
        options.inputs.extend(inputs);
        weights::tell_of_doubles(context, compressed.tensors(), &options);
        let written = match compressed {
            Opened::Texts(model) => {
                options.extra_files = rankine_run::tokenizer_companions(model)?;
                merge(model, adapter, target, &options, watch)
            }
            Opened::Images(model) => merge_images(model, adapter, target, &options, watch),
            Opened::Bare(_) => return Err(self.no_model()),
        };
        written.with_context(|| format!("while merging into `{}`", self.compressed))?;
        Ok(())
    }

    /// That a model cannot be written of weights alone.
    fn no_model(&self) -> anyhow::Error {
        let message = format!("`{}` has no configuration, so it is no model to write", self.compressed);
        Failure::with_hint(message, "leave out `--merge`").into()
    }
}
