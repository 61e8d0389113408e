//! `rankine reproduce`: the experiment that shows a paper's claim.

use crate::{Context, Exit, model};
use anyhow::{Context as _, Result};
use clap::Args;
use rankine_lab::{Language, Materials, Scale, experiment};
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
  rankine reproduce pissa --full --model smollm2-135m --data alpaca.json --html pissa.html")]
pub struct Reproduce {
    /// Key of the paper: see `rankine papers`
    paper: String,
    /// Every setting and several seeds: minutes
    #[arg(long)]
    full: bool,
    /// Folder with Fashion-MNIST, as Debian's `dataset-fashion-mnist` installs it
    #[arg(long, default_value = Materials::FASHION_MNIST, value_name = "DIR")]
    fashion_mnist: PathBuf,
    /// A language model to show the claim on as well
    #[arg(long, requires = "data")]
    model: Option<String>,
    /// What the language model learns
    #[arg(long, requires = "model")]
    data: Option<PathBuf>,
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
        let scale = if self.full { Scale::Full } else { Scale::Quick };
        let path = self.model.as_ref().map(|spec| model::find(context, spec)).transpose()?;
        let load = move || {
            let path = path.clone().unwrap_or_default();
            let loaded = rankine_run::load(&path, None, Storage::File)?;
            Ok((loaded.model, loaded.tokenizer))
        };
        let language = self.model.zip(self.data).map(|(name, data)| Language { name, load: &load, data });
        let materials = Materials { fashion_mnist: self.fashion_mnist, language };
        let claim = experiment.run(scale, &materials, &mut |line| context.say(line))?;
        if let Some(file) = &self.html {
            write(file, &claim.page.html())?;
        }
        if let Some(file) = &self.markdown {
            write_markdown(file, &claim.page)?;
        }
        match self.json {
            true => context.show_json(&claim.numbers)?,
            false => context.show(&claim.page)?,
        }
        let verdict = if claim.holds { "holds here" } else { "does not hold here" };
        context.say(format!("{}: {verdict}", claim.statement));
        Ok(if claim.holds { Exit::Done } else { Exit::CheckFailed })
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    let written = rankine_checkpoint::write_file_atomically(file, text.as_bytes());
    written.with_context(|| format!("while writing `{}`", file.display()))
}

/// The figures come first: a page never shows one that is not there.
fn write_markdown(file: &Path, page: &Page) -> Result<()> {
    let stem = file.file_stem().map_or_else(|| "page".into(), |stem| stem.to_string_lossy());
    let Markdown { text, figures } = page.markdown(&stem);
    for (name, figure) in figures {
        write(&file.with_file_name(name), &figure)?;
    }
    write(file, &text)
}
