//! `rankine train`: fine-tunes a model through the structure of its weights.

use crate::{Context, Exit, model, progress::Progress, settings::settings};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rankine_method::Choice;
use rankine_nn::models::Storage;
use rankine_report::format;
use rankine_run::{DataSection, Modules, Outcome, Recipe, Source, TaskName, fine_tune, is_run};
use rankine_train::Ending;
use std::path::{Path, PathBuf};

/// Name of the recipe in a run's folder.
const RECIPE: &str = "recipe.toml";

/// Fine-tune a model through the structure of its weights: LoRA, PiSSA and more
///
/// The output folder is a peft adapter: `generate`, `chat`, `evaluate` and `merge` take it, and so does
/// `PeftModel.from_pretrained`. It holds the recipe that makes the same run again, with every key that `--set` changes, the
/// course of training and a report. Ctrl-C finishes the step, saves, and says how to go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rankine train smollm2-135m --data alpaca.json --method pissa --rank 16 --output runs/first
  rankine train smollm2-135m --data alpaca.json --method lora --set train.lora_plus_ratio=16
  rankine train smollm2-135m --data alpaca.json --method loldu --rank 576 --cap-rank
  rankine train recipe.toml --set train.steps=200
  rankine train ./bert --data mail.csv --text-column body --label-column kind --output runs/spam
  rankine train ./mobilenet_v2.pth --data pets --method flora --target 'features.*.conv.*' --rank 8
  rankine train runs/first --resume")]
pub struct Train {
    /// A model (known name, hub repository, folder, `.gguf` file, image classifier's weights), a recipe (`.toml`), or the folder of a run
    model: String,
    /// Alpaca, ShareGPT or `messages` JSON/JSONL, CSV, or plain text; of images a folder with a folder for every class, or an
    /// IDX file
    #[arg(long)]
    data: Option<PathBuf>,
    /// What is learnt: told by the model and the data when absent
    #[arg(long, value_name = "TASK", value_parser = task_parser())]
    task: Option<TaskName>,
    /// Column of the texts to classify, in CSV, TSV or JSON; `text` when absent
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the second text, where pairs are classified
    #[arg(long, value_name = "NAME")]
    second_column: Option<String>,
    /// Column of the labels, names or whole numbers; `label` when absent
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Where the run goes; `runs/NAME` of the recipe or method when absent
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// How weights are structured: see `rankine methods`
    #[arg(long)]
    method: Option<String>,
    /// Rank of the update
    #[arg(long)]
    rank: Option<usize>,
    /// Numerator of the update's scale alpha/rank
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f32>,
    /// Modules to take over: `all-linear`, names with commas between, or an expression for whole names
    #[arg(long, value_name = "NAMES")]
    target: Option<String>,
    /// Give matrices that cannot have the rank the most they can have
    #[arg(long)]
    cap_rank: bool,
    /// Steps of training
    #[arg(long)]
    steps: Option<usize>,
    /// Passes over the data
    #[arg(long)]
    epochs: Option<f64>,
    /// Examples a batch
    #[arg(long)]
    batch_size: Option<usize>,
    /// Highest learning rate
    #[arg(long)]
    learning_rate: Option<f32>,
    /// Longest example, in tokens
    #[arg(long)]
    max_length: Option<usize>,
    /// Learn prompts as well as answers
    #[arg(long)]
    train_on_prompt: bool,
    /// Seed of everything random
    #[arg(long)]
    seed: Option<u64>,
    /// Type of the frozen matrices in memory: the file's own, or widened or rounded to this one
    #[arg(long, value_name = "TYPE", value_parser = model::storage_parser())]
    weights: Option<Storage>,
    /// Write the factors as trained and the base they stand on, not an adapter of the original base (PiSSA)
    #[arg(long)]
    keep_residual: bool,
    /// Any key of the recipe, for example `train.clip=0.5`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Go on with the run in the output folder
    #[arg(long)]
    resume: bool,
    /// Replace the run in the output folder
    #[arg(long, conflicts_with = "resume")]
    force: bool,
}

impl Train {
    /// Runs the command.
    pub fn run(self, context: &Context) -> Result<Exit> {
        let recipe = self.recipe()?;
        let output = self.output.clone().unwrap_or_else(|| self.default_output(&recipe));
        let model = model::find(context, &recipe.model)?;
        let source = Source { model: &model, resume: self.resume, force: self.force };
        let mut progress = Progress::new(context.quiet);
        let outcome = fine_tune(&recipe, source, &output, &mut |notice| progress.notice(&notice));
        progress.finish();
        let outcome = outcome?;
        summarise(context, &outcome, &output, &recipe);
        Ok(if outcome.ending == Ending::Interrupted { Exit::CheckFailed } else { Exit::Done })
    }

    fn recipe(&self) -> Result<Recipe> {
        let mut recipe = if let Some(file) = self.recipe_file() {
            let text = fs_err::read_to_string(&file)?;
            Recipe::parse(&text, &file)?
        } else {
            let Some(data) = &self.data else {
                bail!("`rankine train {}` needs `--data FILE`: what should the model learn?", self.model);
            };
            Recipe { data: DataSection::new(data), ..Recipe::new(self.model.clone(), data) }
        };
        self.overwrite(&mut recipe)?;
        let mut recipe = recipe.with(&self.changes).context("while applying `--set`")?;
        // A written recipe makes the same run wherever it is read.
        recipe.data.path = std::path::absolute(&recipe.data.path)?;
        if Path::new(&recipe.model).exists() {
            recipe.model = std::path::absolute(&recipe.model)?.display().to_string();
        }
        Ok(recipe)
    }

    /// The recipe that was named, by itself or by the folder of its run.
    fn recipe_file(&self) -> Option<PathBuf> {
        let named = Path::new(&self.model);
        let inside = named.join(RECIPE);
        match named.extension().is_some_and(|extension| extension == "toml") && !named.is_dir() {
            true => Some(named.to_owned()),
            false => inside.is_file().then_some(inside),
        }
    }

    /// Options win over the recipe.
    fn overwrite(&self, recipe: &mut Recipe) -> Result<()> {
        if let Some(data) = &self.data {
            recipe.data.path.clone_from(data);
        }
        recipe.task = self.task.or(recipe.task);
        let columns = [
            (&self.text_column, &mut recipe.data.text_column),
            (&self.second_column, &mut recipe.data.second_column),
            (&self.label_column, &mut recipe.data.label_column),
        ];
        for (given, column) in columns {
            if given.is_some() {
                column.clone_from(given);
            }
        }
        if let Some(name) = &self.method
            && *name != recipe.method.card().name
        {
            recipe.method = Choice::named(name)?;
        }
        recipe.method = recipe.method.clone().with(&settings(&[], self.rank, self.alpha)?)?;
        if let Some(target) = &self.target {
            recipe.targets.modules = Modules::named(target);
        }
        recipe.targets.cap_rank |= self.cap_rank;
        recipe.train.steps =
            self.steps.or(recipe.train.steps).filter(|_| self.epochs.is_none() || self.steps.is_some());
        recipe.train.epochs = self.epochs.unwrap_or(recipe.train.epochs);
        recipe.train.batch_size = self.batch_size.unwrap_or(recipe.train.batch_size);
        recipe.train.learning_rate = self.learning_rate.unwrap_or(recipe.train.learning_rate);
        recipe.data.max_length = self.max_length.unwrap_or(recipe.data.max_length);
        recipe.data.train_on_prompt |= self.train_on_prompt;
        recipe.keep_residual |= self.keep_residual;
        recipe.weights = self.weights.unwrap_or(recipe.weights);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        Ok(())
    }

    /// The folder of the recipe when its run is gone on with, else one named after what is trained.
    fn default_output(&self, recipe: &Recipe) -> PathBuf {
        let file = self.recipe_file();
        let folder = file.as_deref().filter(|file| file.ends_with(RECIPE)).and_then(Path::parent);
        if let Some(folder) = folder.filter(|folder| self.resume && is_run(folder)) {
            return folder.to_owned();
        }
        let stem =
            Path::new(&self.model).file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy());
        Path::new("runs").join(format!("{stem}-{}", recipe.method.card().name))
    }
}

/// Says how a run ended and what to do next.
pub fn summarise(context: &Context, outcome: &Outcome, output: &Path, recipe: &Recipe) {
    let place = quoted(output);
    if let Some(steps) = outcome.searched {
        context.say(format!("stopped after step {steps} of the search for modules and saved"));
        context.say(format!("go on with: rankine train {place} --resume"));
        return;
    }
    let losses =
        outcome.losses.map_or_else(String::new, |(first, last)| format!("; loss {first:.4} → {last:.4}"));
    match outcome.ending {
        Ending::Interrupted => {
            context.say(format!("stopped after step {} and saved{losses}", outcome.steps));
            context.say(format!("go on with: rankine train {place} --resume"));
        }
        Ending::EarlyStop => {
            context.say(format!("held-out loss no longer fell: ended after step {}{losses}", outcome.steps))
        }
        Ending::Finished => context.say(format!("finished {} steps{losses}", outcome.steps)),
    }
    if let Some(best) = outcome.best {
        let loss = format::fixed(best.nll, 4);
        context.say(format!(
            "best held-out loss {loss} after step {}, in {}",
            best.step,
            quoted(&output.join("best"))
        ));
    }
    context.say(format!("adapter: {place}   report: {}", quoted(&output.join("report.html"))));
    let residual = quoted(&output.join("residual"));
    let base = if recipe.keep_residual { residual } else { quoted(Path::new(&recipe.model)) };
    context.say(match outcome.task {
        TaskName::Language => format!("try it:  rankine generate {base} --adapter {place} --prompt \"…\""),
        TaskName::Classify => format!("try it:  rankine evaluate {base} --adapter {place} --data …"),
    });
}

/// Words for what is learnt.
fn task_parser() -> impl TypedValueParser<Value = TaskName> {
    const WORDS: [(&str, TaskName); 2] = [("language", TaskName::Language), ("classify", TaskName::Classify)];
    PossibleValuesParser::new(WORDS.map(|(word, _)| word)).map(|found| {
        WORDS.into_iter().find(|(word, _)| *word == found).map_or(TaskName::Language, |(_, task)| task)
    })
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,~".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
