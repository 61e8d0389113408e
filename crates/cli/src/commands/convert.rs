//! `rankine convert`: a model in other files.

use crate::errors::Failure;
use crate::gguf::{self, Source};
use crate::resume::ResumeArgs;
use crate::stages::Stages;
use crate::weights::{self, StoredType, WeightsReport};
use crate::{Context, Exit, disk, model, tokenizers, units};
use anyhow::Context as _;
use rankine_checkpoint::{Existing, Opened};
use rankine_surgery::{GgufTarget, Progress, Quantization, Subject, Types, WriteOptions};
use std::path::{Path, PathBuf};

/// Write a model in another container, type or number of files
///
/// An output that ends in .gguf is such a file, with tokenizer and chat template inside; any other is a directory of safetensors,
/// with config.json and tokenizer. Weights of torch (.bin, .pth, .pt) are read without running anything in them; quantised ones are
/// widened exactly, to f32 where no type is given. Weights of a kind that is not known here are converted too, to a directory without
/// a config.json. Names are those of transformers, 4 and 5 alike: files of older programs (gamma and beta, bare prefixes, the state
/// of DataParallel) get them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// Known name, hub repository, directory, .gguf file, or file of weights (.safetensors, .bin, .pth, .pt)
    input: String,
    /// File that ends in .gguf, or directory to write
    output: PathBuf,
    /// Type of all weights; without it each keeps its own. In a .gguf file vectors are f32
    #[arg(long)]
    dtype: Option<StoredType>,
    /// Most bytes of weights in a file of a directory
    #[arg(long, default_value = "5GB", value_name = "SIZE", value_parser = units::parse_bytes)]
    shard_size: u64,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    resume: ResumeArgs,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine convert smollm2-135m smollm2.gguf
  rankine convert model-q4_k_m.gguf ./model --dtype bf16
  rankine convert pytorch_model.bin ./weights
  rankine convert ./model ./sharded --shard-size 500MB --dtype f16 --dry-run";

impl Convert {
    /// Converts, and tells what was written.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.input)?;
        let converting = || format!("while converting `{}`", self.input);
        if gguf::is_gguf(&self.output) {
            self.run_gguf(context, path).with_context(converting)?;
        } else {
            self.refuse_file()?;
            self.run_folder(context, &path).with_context(converting)?;
        }
        Ok(Exit::Done)
    }

    fn run_gguf(&self, context: &Context, path: PathBuf) -> anyhow::Result<()> {
        self.resume.note_one_file(context);
        let source = Source::open(context, &path)?;
        let types = self.dtype.map_or(Types::Kept, |dtype| Types::One(dtype.dtype()));
        let quantization = Quantization { types, output: None, embedding: None };
        let to = GgufTarget { target: &self.output, existing: self.existing(), inputs: vec![path] };
        let report = source.quantized(context, &quantization, &to, self.dry_run)?;
        match self.json {
            true => context.show_json(&gguf::Report::new(&self.output, self.dry_run, &report)),
            false => context.show(&gguf::page(self.title(), &self.output, &report, |_| true)),
        }
    }

    fn run_folder(&self, context: &Context, path: &Path) -> anyhow::Result<()> {
        let model = Opened::open(path)?;
        let options = WriteOptions {
            dtype: self.dtype.map(StoredType::dtype),
            shard_bytes: self.shard_size,
            existing: self.existing(),
            inputs: vec![path.to_owned()],
            extra_files: tokenizers::companions(&model)?,
            resume: Some(self.resume.resume(context)),
            ..WriteOptions::default()
        };
        let subject = Subject::from(&model);
        let plan = rankine_surgery::plan_rewrite(subject, &options)?;
        let plan = match self.dry_run {
            true => plan,
            false => {
                disk::check_room(&self.output, plan.bytes)?;
                let mut stages = Stages::new(context);
                let watch = &mut |progress: Progress| stages.see(progress);
                rankine_surgery::rewrite(subject, &self.output, &options, watch)?
            }
        };
        match self.json {
            true => context.show_json(&WeightsReport::new(&self.output, self.dry_run, &plan)),
            false => context.show(&weights::page(self.title(), &self.output, &plan)),
        }
    }

    /// A model is more than one file, but for GGUF.
    fn refuse_file(&self) -> anyhow::Result<()> {
        let extension = self.output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = ["safetensors", "bin", "pth", "pt"];
        match known.iter().any(|known| extension.eq_ignore_ascii_case(known)) && !self.output.is_dir() {
            true => Err(Failure::with_hint(
                format!(
                    "`{}`: a model is written as a directory, or as one file that ends in .gguf",
                    self.output.display()
                ),
                format!("name a directory: `{}`", self.output.with_extension("").display()),
            )
            .into()),
            false => Ok(()),
        }
    }

    fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }

    fn title(&self) -> &'static str {
        if self.dry_run { "Would write" } else { "Converted into" }
    }
}
