//! `rankine extract`: a LoRA out of a full fine-tune.

mod show;

use crate::calibration::CalibrationArgs;
use crate::disk::Room;
use crate::output::OutputArgs;
use crate::stages::Stages;
use crate::truncation::{Svd, truncation};
use crate::{Context, Exit, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::{Opened, module_names};
use rankine_run::{Modules, TargetSection};
use rankine_surgery::{Extraction, Progress, Ranks, Rest, Subject};
use std::path::Path;

/// Make a LoRA of what a full fine-tune changed
///
/// The change of every linear layer is decomposed and its leading part written as a plain LoRA, which peft and every command
/// here read. Ranks are the same for all (--rank), or found for every layer: by the share of the change that is kept (--energy),
/// by what stands out of noise (--mp), or by how far off what the layer answers may be (--error). Other tensors that changed
/// (norms, embeddings, biases, the head) are named as lost, or kept whole with --whole.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("ranks").required(true).args(["rank", "energy", "mp", "error"])))]
pub struct Extract {
    /// Known name, hub repository, directory or file of the model as it was
    base: String,
    /// The same of the fine-tune
    tuned: String,
    /// Rank of every layer
    #[arg(long, value_name = "N")]
    rank: Option<usize>,
    /// For --rank: how singular vectors are found; `exact` when nothing is said. Ranks that are found on the way take whole spectra
    #[arg(long, value_name = "WORD", requires = "rank")]
    svd: Option<Svd>,
    /// For `--svd randomized`: rounds that sharpen the range; 4 when nothing is said
    #[arg(long, value_name = "N", requires = "rank")]
    iterations: Option<usize>,
    /// Keep this share of the sum of squared singular values of every change, above 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    energy: Option<f64>,
    /// Keep the singular values above those of noise, by the edge of the Marchenko–Pastur law
    #[arg(long)]
    mp: bool,
    /// Keep what a layer's answers to --calibration need to be off by this share at most, above 0 and below 1
    #[arg(long, value_name = "SHARE", requires = "calibration")]
    error: Option<f64>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Layers to look at: `all-linear`, or names with commas between
    #[arg(long, value_name = "NAMES", default_value = "all-linear")]
    target: String,
    /// Keep other changed tensors whole, as far as peft loads them: `modules_to_save`, and biases of adapted layers
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine extract smollm2-135m ./tuned --rank 16 --output lora
  rankine extract smollm2-135m ./tuned --rank 16 --svd randomized --output lora
  rankine extract smollm2-135m ./tuned --energy 0.95 --whole --output lora
  rankine extract smollm2-135m ./tuned --mp --output lora --dry-run
  rankine extract smollm2-135m ./tuned --error 0.01 --calibration text.txt --output lora";

impl Extract {
    /// Extracts, and tells how much of the fine-tune the adapter holds.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let worked = self.work(context);
        worked.with_context(|| format!("while extracting from `{}`", self.tuned))
    }

    fn work(&self, context: &Context) -> anyhow::Result<Exit> {
        let (base_path, tuned_path) = (model::find(context, &self.base)?, model::find(context, &self.tuned)?);
        let (base, tuned) = (model::open(context, &base_path)?, model::open(context, &tuned_path)?);
        tokenizers::warn(context, &base, &tuned)?;
        let data = self.calibration.path().map(Path::to_owned);
        let read = [base_path, tuned_path.clone()].into_iter().chain(data);
        let output = self.output.output(read.collect());
        self.output.check(&output)?;
        let svd = truncation(self.svd, self.iterations)?;
        let targets = TargetSection { modules: Modules::named(&self.target), ..TargetSection::default() };
        let extraction = Extraction {
            ranks: self.ranks(),
            svd,
            targets: targets.targets(),
            rest: if self.whole { Rest::Whole } else { Rest::Lost },
            base: model::lasting_name(&self.base)?,
            inputs: None,
        };
        if !self.output.writing.dry_run {
            self.check_room(context, &extraction, &base)?;
        }
        let seen = match self.error {
            Some(_) => self.calibration.inputs(&tuned_path)?,
            None => None,
        };
        let extraction = Extraction { inputs: seen.as_deref(), ..extraction };
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let mut report = extraction.run(Subject::from(&base), Subject::from(&tuned), watch)?;
        drop(stages);
        // peft calls modules as transformers does now.
        report.adapter.rename(module_names::of_transformers);
        let room = self.output.write(context, &output, (&report.adapter, None))?;
        match self.output.writing.json {
            true => context.show_json(&self.report(&report, room))?,
            false => context.show(&self.page(&report, room))?,
        }
        Ok(Exit::Done)
    }

    /// Before anything is decomposed: an error where the disk has too little room for factors of the rank that was asked for. Ranks
    /// that are found on the way may need less than the most that there can be.
    fn check_room(
        &self,
        context: &Context,
        extraction: &Extraction<'_>,
        base: &Opened,
    ) -> anyhow::Result<()> {
        let most = extraction.most_bytes(Subject::from(base))?;
        match self.rank {
            Some(_) => Room::ask(context, &self.output.output, most, false).map(drop),
            None => {
                Room::warn_of_most(context, &self.output.output, most);
                Ok(())
            }
        }
    }

    /// The command line wants one of them.
    fn ranks(&self) -> Ranks {
        match (self.rank, self.energy, self.error) {
            (Some(rank), ..) => Ranks::Fixed(rank),
            (_, Some(share), _) => Ranks::Energy(share),
            (.., Some(share)) => Ranks::Error(share),
            _ => Ranks::MarchenkoPastur,
        }
    }
}
