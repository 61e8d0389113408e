//! `rankine reproduce`: the experiment that shows a paper's claim.

use crate::errors::Failure;
use crate::pages::{self, Kind, PageFile};
use crate::{Context, Exit, model};
use anyhow::{Context as _, Result};
use clap::Args;
use rankine_checkpoint::Checkpoint;
use rankine_lab::{Encoder, Language, Materials, Scale, experiment};
use rankine_nn::models::Storage;
use rankine_report::{Markdown, Page};
use std::path::{Path, PathBuf};

/// Run the experiment that shows a paper's claim
///
/// The paper's method is run beside fair baselines, and what was measured here is held against the claim. Exit code 1 when it
/// does not hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rankine reproduce pissa
  rankine reproduce pissa --full --model smollm2-135m --data alpaca.json --html pissa.html
  rankine reproduce svfit --full --model all-minilm-l6-v2 --data mails.jsonl --runs runs.json
  rankine reproduce robust_completion --full --data ratings.csv")]
pub struct Reproduce {
    /// Key of the paper: see `rankine papers`
    paper: String,
    /// A few settings and one seed: seconds; this is what is run without `--full`
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Every setting and several seeds: minutes
    #[arg(long)]
    full: bool,
    /// Folder with Fashion-MNIST, as Debian's `dataset-fashion-mnist` installs it
    #[arg(long, default_value = Materials::FASHION_MNIST, value_name = "DIR")]
    fashion_mnist: PathBuf,
    /// A language model or a text encoder to show the claim on as well, where the paper is about such
    #[arg(long)]
    model: Option<String>,
    /// What it learns: conversations or texts; of an encoder texts with labels, in fields `text` and `label`; of
    /// `robust_completion`, which has no model, ratings
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Keep finished runs of the encoder here, for other papers and for later: what is there is not run again
    #[arg(long, value_name = "FILE", requires = "data")]
    runs: Option<PathBuf>,
    /// Write a page with the plots here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the page as Markdown here, its figures beside it
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
}

impl Reproduce {
    /// Runs the command.
    pub fn run(self, context: &Context) -> Result<Exit> {
        let experiment = experiment(&self.paper)?;
        let scale = if self.quick || !self.full { Scale::Quick } else { Scale::Full };
        let ratings = self.data.clone().filter(|_| experiment.reads_ratings());
        if self.data.is_some() && self.model.is_none() && ratings.is_none() {
            let message = format!("`{}` has no use for `--data` without a model that learns it", self.paper);
            return Err(Failure::with_hint(message, "give the model with `--model`").into());
        }
        let path = self.model.as_ref().map(|spec| model::find(context, spec)).transpose()?;
        let folder = path.clone().unwrap_or_default();
        let read: Vec<PathBuf> =
            path.iter().chain(&self.data).chain([&self.fashion_mnist]).cloned().collect();
        let file = PageFile::html(self.html.as_deref(), read.clone())?;
        if let Some(file) = &self.markdown {
            pages::check(file, Kind::Markdown, &read)?;
        }
        let load = move || {
            let loaded = rankine_run::load(&folder, None, Storage::File)?;
            Ok((loaded.model, loaded.tokenizer))
        };
        let (mut language, mut encoder) = (None, None);
        if let (Some(spec), Some(path)) = (&self.model, path) {
            let (name, checkpoint) = (name(spec), Checkpoint::open(path)?);
            match checkpoint.config().architecture.is_encoder() {
                true => encoder = Some(text_encoder(name, &checkpoint, (self.data, self.runs))?),
                false => language = Some(Language { name, load: &load, data: self.data }),
            }
        }
        let materials = Materials { fashion_mnist: self.fashion_mnist, language, encoder, ratings };
        let claim = experiment.run(scale, &materials, &mut |line| context.say(line))?;
        file.write(|| claim.page.clone())?;
        if let Some(file) = &self.markdown {
            write_markdown(file, &claim.page, &read)?;
        }
        match self.json {
            true => context.show_json(&claim.numbers)?,
            false => context.show(&claim.page)?,
        }
        let verdict = if claim.holds { "holds here" } else { "does not hold here in every part" };
        context.say(format!("{}: {verdict}", claim.statement));
        Ok(if claim.holds { Exit::Done } else { Exit::CheckFailed })
    }
}

/// What a model is called on a page, which is no place for somebody's folders.
fn name(spec: &str) -> String {
    let last = Path::new(spec).file_name();
    last.map_or_else(|| spec.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn text_encoder(
    name: String,
    checkpoint: &Checkpoint,
    (texts, runs): (Option<PathBuf>, Option<PathBuf>),
) -> Result<Encoder> {
    let texts = texts.context("an encoder needs texts with labels to learn: `--data FILE`")?;
    let (folder, tokenizer) = (checkpoint.path().to_owned(), rankine_run::tokenizer(checkpoint)?);
    Ok(Encoder { name, folder, tokenizer, texts, runs })
}

/// The figures come first: a page never shows one that is not there.
fn write_markdown(file: &Path, page: &Page, inputs: &[PathBuf]) -> Result<()> {
    let stem = file.file_stem().map_or_else(|| "page".into(), |stem| stem.to_string_lossy());
    let Markdown { text, figures } = page.markdown(&stem);
    for (name, figure) in figures {
        let (place, figure) = (file.with_file_name(name), figure.as_bytes());
        pages::write(&place, (Kind::Figure, figure), inputs)?;
    }
    pages::write(file, (Kind::Markdown, text.as_bytes()), inputs)
}
