//! `rankine extract`: a LoRA out of a full fine-tune.

use crate::calibration::CalibrationArgs;
use crate::stages::Stages;
use crate::{Context, Exit, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::{Existing, Opened, module_names};
use rankine_report::{Cell, Column, Level, Page, Table, format};
use rankine_run::{Modules, TargetSection};
use rankine_surgery::{
    AdapterOutput, ExtractReport, ExtractedModule, Extraction, LeftTensor, Progress, Ranks, Rest, Subject,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine extract smollm2-135m ./tuned --rank 16 --output lora
  rankine extract smollm2-135m ./tuned --energy 0.95 --whole --output lora
  rankine extract smollm2-135m ./tuned --mp --output lora --dry-run
  rankine extract smollm2-135m ./tuned --error 0.01 --calibration text.txt --output lora";

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    dry_run: bool,
    rank: usize,
    numbers: usize,
    relative_error: f64,
    energy: f64,
    modules: Vec<Module<'a>>,
    left: Vec<Left<'a>>,
    unchanged: usize,
}

#[derive(Serialize)]
struct Module<'a> {
    module: &'a str,
    shape: [usize; 2],
    relative_change: Option<f64>,
    rank: usize,
    energy: f64,
    relative_error: f64,
    output_error: Option<f64>,
}

#[derive(Serialize)]
struct Left<'a> {
    name: &'a str,
    relative_change: Option<f64>,
    whole: bool,
}

impl Extract {
    /// Extracts, and tells how much of the fine-tune the adapter holds.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (base_path, tuned_path) = (model::find(context, &self.base)?, model::find(context, &self.tuned)?);
        let (base, tuned) = (Opened::open(&base_path)?, Opened::open(&tuned_path)?);
        tokenizers::warn(context, &base, &tuned)?;
        let extracting = || format!("while extracting from `{}`", self.tuned);
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let inputs = vec![base_path, tuned_path.clone()];
        let output = AdapterOutput { target: &self.output, existing, inputs };
        if !self.dry_run {
            output.check().with_context(extracting)?;
        }
        let seen = match self.error {
            Some(_) => self.calibration.inputs(&tuned_path)?,
            None => None,
        };
        let targets = TargetSection { modules: Modules::named(&self.target), ..TargetSection::default() };
        let extraction = Extraction {
            ranks: self.ranks(),
            targets: targets.targets(),
            rest: if self.whole { Rest::Whole } else { Rest::Lost },
            base: model::lasting_name(&self.base)?,
            inputs: seen.as_deref(),
        };
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let mut report =
            extraction.run(Subject::from(&base), Subject::from(&tuned), watch).with_context(extracting)?;
        drop(stages);
        // peft calls modules as transformers does now.
        report.adapter.rename(module_names::of_transformers);
        if !self.dry_run {
            output.write(&report.adapter).with_context(extracting)?;
        }
        match self.json {
            true => context.show_json(&self.report(&report))?,
            false => context.show(&self.page(&report))?,
        }
        Ok(Exit::Done)
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

    fn report<'a>(&'a self, report: &'a ExtractReport) -> Report<'a> {
        let module = |module: &'a ExtractedModule| Module {
            module: &module.module,
            shape: module.shape,
            relative_change: module.moved,
            rank: module.rank,
            energy: module.energy(),
            relative_error: module.relative,
            output_error: module.output,
        };
        let left = |left: &'a LeftTensor| Left {
            name: &left.name,
            relative_change: left.relative,
            whole: left.whole,
        };
        Report {
            output: &self.output,
            dry_run: self.dry_run,
            rank: report.adapter.config.rank,
            numbers: report.numbers(),
            relative_error: report.relative,
            energy: report.energy(),
            modules: report.modules.iter().map(module).collect(),
            left: report.left.iter().map(left).collect(),
            unchanged: report.unchanged,
        }
    }

    fn page(&self, report: &ExtractReport) -> Page {
        let title = if self.dry_run { "Would write adapter" } else { "Adapter" };
        let mut page = Page::new(format!("{title} {}", self.output.display()));
        let ranks = report.modules.iter().map(|module| module.rank);
        let (least, most) = (ranks.clone().min().unwrap_or(0), ranks.max().unwrap_or(0));
        let rank = if least == most { most.to_string() } else { format!("{least} to {most}") };
        page.facts(&[
            ("linear layers that changed", Cell::from(report.modules.len())),
            ("rank", Cell::text(rank)),
            ("numbers", Cell::from(report.numbers())),
            ("energy kept", Cell::Percent(report.energy())),
            ("relative error", Cell::Percent(report.relative)),
            ("tensors that did not change", Cell::from(report.unchanged)),
        ]);
        page.table(module_table(&report.modules));
        add_left(&mut page, &report.left);
        page
    }
}

fn module_table(modules: &[ExtractedModule]) -> Table {
    let answers = modules.iter().any(|module| module.output.is_some());
    let numbers = ["relative change", "rank", "energy kept", "relative error"];
    let last = answers.then(|| Column::number("error of answers"));
    let columns = [Column::text("module")].into_iter().chain(numbers.map(Column::number)).chain(last);
    let mut table = Table::new(columns);
    for module in modules {
        let cells = [
            Cell::text(&module.module),
            module.moved.map_or(Cell::Missing, Cell::Percent),
            Cell::from(module.rank),
            Cell::Percent(module.energy()),
            Cell::Percent(module.relative),
        ];
        let last = answers.then(|| module.output.map_or(Cell::Missing, Cell::Percent));
        table.row(cells.into_iter().chain(last));
    }
    table
}

/// What the adapter holds whole, and what it does not hold.
fn add_left(page: &mut Page, left: &[LeftTensor]) {
    let listed = |whole: bool| {
        let of_kind = left.iter().filter(|tensor| tensor.whole == whole);
        let line = |tensor: &LeftTensor| match tensor.relative {
            Some(relative) => format!("{} ({})", tensor.name, format::percent(relative)),
            None => tensor.name.clone(),
        };
        of_kind.map(line).collect::<Vec<_>>().join(", ")
    };
    let (whole, lost) = (listed(true), listed(false));
    if !whole.is_empty() {
        page.note(Level::Note, format!("kept whole, with their relative change: {whole}"));
    }
    if !lost.is_empty() {
        let text = format!("these changed too and are lost, with their relative change: {lost}");
        page.note(Level::Warning, text);
    }
}
