//! `rankine convert`: a model in other files.

use crate::errors::Failure;
use crate::gguf::{self, Source};
use crate::resume::ResumeArgs;
use crate::stages::Stages;
use crate::weights::{self, StoredType, WeightsReport};
use crate::{Context, Exit, disk::Room, model, tokenizers, units};
use anyhow::Context as _;
use clap::ValueEnum;
use rankine_checkpoint::{Existing, Opened};
use rankine_surgery::{GgufTarget, Progress, Quantization, Subject, Types, WriteOptions};
use std::path::{Path, PathBuf};

/// Write a model in another container, type or number of files
///
/// An output that ends in .gguf is such a file, with tokenizer and chat template inside; any other is a directory of safetensors,
/// with config.json and tokenizer. Weights of torch (.bin, .pth, .pt) are read without running anything in them; quantised ones are
/// widened exactly, to f32 where no type is given. Weights of a kind that is not known here are converted too, under their own
/// names, to a directory with the config.json that they had, if any. Names are those that transformers 4 and 5 both read: files of
/// older programs (gamma and beta, bare prefixes, the state of DataParallel) get them, and those that transformers 5 writes with
/// save_original_format=False; with --names 5 vision transformers get the latter.
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
    /// Whose names the tensors of a directory get: those of transformers 4, which 5 reads too, or those that 5 alone knows
    #[arg(long, value_name = "VERSION", default_value = "4")]
    names: Names,
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
  rankine convert ./vit ./vit-5 --names 5
  rankine convert ./model ./sharded --shard-size 500MB --dtype f16 --dry-run";

/// Versions of transformers that call tensors otherwise.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    /// The names of files, which version 5 reads too
    #[value(name = "4")]
    Four,
    /// The names of modules
    #[value(name = "5")]
    Five,
}

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
        if self.names == Names::Five {
            let message = "`--names 5` is for a directory: the names in a .gguf file are those of llama.cpp";
            return Err(Failure::with_hint(message, "leave out `--names`").into());
        }
        self.resume.note_one_file(context);
        let source = Source::open(context, &path)?;
        let types = self.dtype.map_or(Types::Kept, |dtype| Types::One(dtype.dtype()));
        let quantization = Quantization { types, output: None, embedding: None };
        let to = GgufTarget { target: &self.output, existing: self.existing(), inputs: vec![path] };
        let (report, room) = source.quantized(context, &quantization, &to, self.dry_run)?;
        match self.json {
            true => context.show_json(&gguf::Report::new(&self.output, self.dry_run, &report, room)),
            false => context.show(&gguf::page(self.title(), &self.output, (&report, room), |_| true)),
        }
    }

    fn run_folder(&self, context: &Context, path: &Path) -> anyhow::Result<()> {
        let model = model::open(context, path)?;
        if let (Names::Five, Opened::Bare(_)) = (self.names, &model) {
            let message =
                format!("`{}`: what transformers 5 calls these tensors is not known", path.display());
            let hint = "name the folder of a model with its `config.json`, or leave out `--names`";
            return Err(Failure::with_hint(message, hint).into());
        }
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
        rankine_surgery::check_apart(&self.output, &options.inputs)?;
        let plan = rankine_surgery::plan_rewrite(subject, &options)?;
        let room = Room::ask(context, &self.output, plan.bytes, self.dry_run)?;
        let plan = match self.dry_run {
            true => plan,
            false => {
                let mut stages = Stages::new(context);
                let watch = &mut |progress: Progress| stages.see(progress);
                match self.names {
                    Names::Four => rankine_surgery::rewrite(subject, &self.output, &options, watch)?,
                    Names::Five => {
                        rankine_surgery::rewrite_as_modules(subject, &self.output, &options, watch)?
                    }
                }
            }
        };
        match self.json {
            true => context.show_json(&WeightsReport::new(&self.output, self.dry_run, &plan, room)),
            false => context.show(&weights::page(self.title(), &self.output, &plan, room)),
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
