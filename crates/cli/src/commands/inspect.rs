//! `rankine inspect`: every tensor of a model, measured.

mod page;
mod tables;

use crate::interrupt::Interrupt;
use crate::pages::PageFile;
use crate::{Context, Exit, bar, model};
use anyhow::Context as _;
use rankine_analyze::Progress;
use rankine_analyze::inspect::{Inspection, ModelReport, Spectra};
use rankine_checkpoint::config::Fault;
use rankine_checkpoint::{Error, Opened};
use std::path::{Path, PathBuf};

/// Look into the weights of a model
///
/// Every tensor is read, one at a time for each thread, and measured: its numbers, the spectrum of every matrix, what of it stands
/// out of noise (Marchenko and Pastur), how heavy its tail is (a power law, as in WeightWatcher). Nothing is changed. Matrices whose
/// smaller side is at most 2048 are decomposed wholly, which takes about 1 s of one core at that side. Of larger ones the 64 leading
/// singular values are found, with a bound of their error: there may then be more outliers than those shown with ≥, the edge of the
/// noise shown with ≤ may lie lower, and effective rank and α, which need all values, are left out. Convolutions are taken as
/// [out, rest].
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// Known name, hub repository, directory, .gguf file or other file of weights
    model: String,
    /// Write a page with maps, spectra and a table of all tensors here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Look at these tensors only: names with commas between, in which `*` stands for anything and `?` for one letter
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    tensor: Vec<String>,
    /// Find all singular values, however large the matrix
    #[arg(long, conflicts_with_all = ["rank", "headers"])]
    exact: bool,
    /// Find so many leading singular values of every matrix
    #[arg(long, value_name = "N", conflicts_with = "headers")]
    rank: Option<usize>,
    /// Read names, shapes and types, and no numbers
    #[arg(long)]
    headers: bool,
    /// Show every tensor
    #[arg(long)]
    all: bool,
    /// Print JSON, with all singular values that were found
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine inspect smollm2-135m
  rankine inspect smollm2-135m --html model.html
  rankine inspect ./model --tensor '*.q_proj.weight,*.k_proj.weight' --all
  rankine inspect large.gguf --rank 32 --json
  rankine inspect ./sharded --headers";

impl Inspect {
    /// Measures, and tells.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.model)?;
        let file = PageFile::html(self.html.as_deref(), vec![path.clone()])?;
        let opened = open(&path)?;
        model::tell(context, &opened);
        let report = self.report(context, &opened);
        let report = report.with_context(|| format!("while inspecting `{}`", self.model))?;
        file.write(|| page::whole(&report, &self.model))?;
        match self.json {
            true => context.show_json(&report)?,
            false => context.show(&page::brief(&report, &self.model, self.all))?,
        }
        Ok(Exit::Done)
    }

    fn report(&self, context: &Context, opened: &Opened) -> rankine_analyze::Result<ModelReport> {
        let spectra = match (self.exact, self.rank) {
            (true, _) => Spectra::Exact,
            (false, Some(rank)) => Spectra::Leading(rank),
            (false, None) => Spectra::BySize,
        };
        let inspection = Inspection { spectra, patterns: self.tensor.clone(), ..Inspection::default() };
        if self.headers {
            return inspection.headers(opened);
        }
        let (interrupt, bar) = (Interrupt::listen(), bar::counting(context, "inspecting", 0));
        inspection.run(opened, &mut |Progress { done, total }| {
            bar.set_of(done, total);
            interrupt.flow()
        })
    }
}

/// A model whose weights are packed is not run, but its tensors can be looked at.
fn open(path: &Path) -> rankine_checkpoint::Result<Opened> {
    match Opened::open(path) {
        Err(Error::Config { fault: Fault::Quantization { .. }, .. }) => Opened::bare(path),
        opened => opened,
    }
}
