//! `rankine init`: an adapter before its training.

use crate::settings::settings;
use crate::stages::Stages;
use crate::{Context, Exit, model};
use anyhow::{Context as _, Result};
use rankine_checkpoint::Existing;
use rankine_method::{Card, Choice, Cut, Fields};
use rankine_nn::models::Storage;
use rankine_report::{Cell, Level, Page, format};
use rankine_run::{DataSection, Modules, Start, Started, TargetSection};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write the adapter that training would start with, for a fine-tuner elsewhere
///
/// A peft adapter and, where the method takes its start out of the weights (PiSSA), the base without it in `residual`. The same
/// seed gives the same files, and the start of `rankine train`. In Python:
/// `PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("start/residual"), "start", is_trainable=True)`.
/// Models that tell texts or images apart are of `AutoModelForSequenceClassification` and `AutoModelForImageClassification`;
/// their head is in the adapter. One that has none, such as `all-minilm-l6-v2`, gets one for the classes of `--data`; without
/// data neither model nor adapter has one, and peft trains none.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// Known name, hub repository, directory, .gguf file or weights of an image classifier
    model: String,
    /// How weights are structured: see `rankine methods`
    #[arg(long, default_value = "pissa")]
    method: String,
    /// Rank of the update
    #[arg(long, value_name = "N")]
    rank: Option<usize>,
    /// Numerator of the update's scale alpha/rank
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f32>,
    /// How singular vectors are found, for methods that need them: `exact` or `randomized`
    #[arg(long, value_name = "WORD")]
    svd: Option<String>,
    /// Rounds of the randomised SVD
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// Any setting of the method, for example `rslora=true`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Modules to take over: `all-linear`, names with commas between, or an expression for whole names
    #[arg(long, value_name = "NAMES", default_value = "all-linear")]
    target: String,
    /// Give matrices that cannot have the rank the most they can have
    #[arg(long)]
    cap_rank: bool,
    /// Data to calibrate on, for methods that must see the weights at work (EVA), and whose classes a head is for; formats as
    /// those of `rankine train`
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Column of the texts to classify, in CSV, TSV or JSON; `text` when absent
    #[arg(long, value_name = "NAME", requires = "data")]
    text_column: Option<String>,
    /// Column of the second text, where pairs are classified
    #[arg(long, value_name = "NAME", requires = "data")]
    second_column: Option<String>,
    /// Column of the labels, names or whole numbers; `label` when absent
    #[arg(long, value_name = "NAME", requires = "data")]
    label_column: Option<String>,
    /// Longest example of the data, in tokens: 512 when absent, as in `rankine train`, and never more than the model takes
    #[arg(long, value_name = "N", requires = "data")]
    max_length: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Type of the matrices in memory: the file's own, or widened or rounded to this one
    #[arg(long, value_name = "TYPE", default_value = "file", value_parser = model::storage_parser())]
    weights: Storage,
    /// Directory to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine init smollm2-135m --method pissa --rank 16 --output start
  rankine init smollm2-135m --method pissa --rank 16 --svd randomized --iterations 4 --seed 7 --output start
  rankine init smollm2-135m --method lora --target q_proj,v_proj --set init=gaussian --output start
  rankine init smollm2-135m --method svfit --rank 576 --cap-rank --output start
  rankine init smollm2-135m --method eva --rank 16 --set rho=2.0 --data alpaca.json --output start
  rankine init all-minilm-l6-v2 --method pissa --rank 8 --output start
  rankine init all-minilm-l6-v2 --method eva --rank 8 --data mail.csv --label-column kind --output start
  rankine init ./vit --method eva --rank 8 --data pets --output start
  rankine init ./mobilenet_v2.pth --method flora --rank 8 --target 'features.*.conv.*' --output start";

/// The result in JSON.
#[derive(Serialize)]
struct Made<'a> {
    adapter: &'a Path,
    residual: Option<&'a Path>,
    method: &'a Choice,
    seed: u64,
    weights: usize,
    trained: usize,
    exported: usize,
    unsettled: usize,
    capped: Option<Cut>,
    classes: Option<&'a [String]>,
}

impl Init {
    /// Writes it.
    pub fn run(self, context: &Context) -> Result<Exit> {
        let method = Choice::named(&self.method)?.with(&self.fields()?)?;
        let path = model::find(context, &self.model)?;
        let name = model::lasting_name(&self.model)?;
        let (modules, cap_rank) = (Modules::named(&self.target), self.cap_rank);
        let targets = TargetSection { modules, cap_rank, ..TargetSection::default() };
        let (seed, weights, data) = (self.seed, self.weights, self.data());
        let start = Start { model: name, method, targets, seed, weights, data };
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let mut stages = Stages::new(context);
        let started =
            rankine_run::init(&start, &path, &self.output, existing, &mut |progress| stages.see(progress))
                .with_context(|| format!("while attaching `{}` to `{}`", self.method, self.model))?;
        drop(stages);
        match self.json {
            true => context.show_json(&self.made(&start, &started))?,
            false => context.show(&self.page(&start, &started))?,
        }
        Ok(Exit::Done)
    }

    fn data(&self) -> Option<DataSection> {
        let usual = DataSection::new(self.data.as_ref()?);
        Some(DataSection {
            max_length: self.max_length.unwrap_or(usual.max_length),
            text_column: self.text_column.clone(),
            second_column: self.second_column.clone(),
            label_column: self.label_column.clone(),
            ..usual
        })
    }

    /// The settings of the method; options win over `--set`.
    fn fields(&self) -> Result<Fields> {
        let mut fields = settings(&self.changes, self.rank, self.alpha)?;
        if let Some(word) = &self.svd {
            fields.insert("svd".to_owned(), word.as_str().into());
        }
        if let Some(iterations) = self.iterations {
            fields.insert("iterations".to_owned(), i64::try_from(iterations)?.into());
        }
        Ok(fields)
    }

    fn made<'a>(&'a self, start: &'a Start, started: &'a Started) -> Made<'a> {
        Made {
            adapter: &self.output,
            residual: started.residual.as_deref(),
            method: &start.method,
            seed: start.seed,
            weights: started.attached.sites.len(),
            trained: started.attached.trained,
            exported: started.exported,
            unsettled: started.unsettled,
            capped: started.capped,
            classes: started.classes.as_deref(),
        }
    }

    fn page(&self, start: &Start, started: &Started) -> Page {
        let base =
            started.residual.as_ref().map_or_else(|| start.model.clone(), |path| path.display().to_string());
        let mut page = Page::new(format!("Adapter {}", self.output.display()));
        let mut facts = vec![
            ("method", Cell::text(&self.method)),
            ("weights taken over", Cell::Count(started.attached.sites.len() as u64)),
            ("numbers to train", Cell::Count(started.attached.trained as u64)),
            ("base to train on", Cell::text(base)),
        ];
        match started.classes.as_deref() {
            None => {}
            Some([]) => {
                facts.push(("head", Cell::text("none: labelled `--data` says what it is to tell apart")))
            }
            Some(classes) => facts.push(("classes of the head", Cell::Count(classes.len() as u64))),
        }
        page.facts(&facts);
        if let Some(text) = told(&start.method.card(), started) {
            page.note(Level::Note, text);
        }
        if let Some(cut) = &started.capped {
            page.note(Level::Note, cut.words());
        }
        if 0 < started.unsettled {
            let text = format!(
                "the directions of {} weights had not converged when the calibration ended: more data or `max_batches` \
                 know them better",
                started.unsettled
            );
            page.note(Level::Note, text);
        }
        page
    }
}

/// What peft would train of the adapter, where that is not what the method trains.
fn told(card: &Card, started: &Started) -> Option<String> {
    let (trained, exported) = (started.attached.trained, started.exported);
    let [trains, has] = [trained, exported].map(|numbers| format::count(numbers as u64));
    let (name, folded) = (card.name, card.folded());
    if trained < exported {
        return Some(format!(
            "of the {has} numbers in the adapter `{name}` trains {trains}; peft would train all of them"
        ));
    }
    let beside = match folded.is_empty() {
        true => String::new(),
        false => format!(", with `{}` beside the factors of a LoRA", folded.join("`, `")),
    };
    (exported < trained).then(|| {
        format!("`{name}` trains {trains} numbers{beside}; the adapter has {has}, and peft would train these alone")
    })
}
