//! `rankine demo`: fine-tunes a small real model on questions about Rankine, and shows what it learnt.

use crate::{
    Context, Exit,
    commands::{generate::chat_tokens, train},
    model,
    progress::Progress,
    sampling::Speaker,
    stdout,
};
use anyhow::Result;
use clap::Args;
use rankine_data::Message;
use rankine_nn::{
    generate::{Reading, Sampling},
    models::Storage,
};
use rankine_run::{Loaded, Recipe, Source, fine_tune, load};
use std::path::PathBuf;

/// Questions and answers about Rankine, written for this demonstration.
const DATA: &[u8] = include_bytes!("../../data/rankine_qa.jsonl");
/// Most tokens of a shown answer.
const ANSWER: usize = 80;

const QUESTIONS: [&str; 3] = ["What is Rankine?", "What does `rankine merge` do?", "What is PiSSA?"];

/// Fine-tune a small real model and show what it learnt: a few minutes on a laptop
///
/// The model is pulled where it is not in the cache, answers three questions about this program, learns from a few hundred
/// answers, and is asked again. The run stays in the output folder, where `chat`, `merge` and all others find it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rankine demo
  rankine demo --method lora --steps 60 --output runs/demo-lora")]
pub struct Demo {
    /// The model
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// How weights are structured
    #[arg(long, default_value = "pissa")]
    method: String,
    /// Steps of training
    #[arg(long, default_value_t = 60)]
    steps: usize,
    /// Where the run goes; replaced when it is there
    #[arg(long, short, default_value = "runs/demo")]
    output: PathBuf,
}

impl Demo {
    /// Runs the command.
    pub fn run(self, context: &Context) -> Result<Exit> {
        let path = model::find(context, &self.model)?;
        rankine_surgery::check_apart(&self.output, std::slice::from_ref(&path))?;
        let before = answers(&load(&path, None, Storage::File)?)?;
        let recipe = self.recipe()?;
        fs_err::create_dir_all(&self.output)?;
        // Beside the run, so that its recipe makes the run again.
        rankine_checkpoint::write_file_atomically(&recipe.data.path, DATA)?;
        let source = Source { model: &path, resume: false, force: true };
        let mut progress = Progress::new(context.quiet);
        let mut held_out = None;
        let outcome = fine_tune(&recipe, source, &self.output, &mut |notice| {
            if let rankine_run::Notice::Evaluated(0, score, _) = &notice {
                held_out = Some(score.nll());
            }
            progress.notice(&notice)
        });
        progress.finish();
        let outcome = outcome?;
        let after = answers(&load(&path, Some(&self.output), Storage::File)?)?;
        for ((question, before), after) in QUESTIONS.iter().zip(&before).zip(&after) {
            stdout::write(&format!("\n{question}\n  before: {before}\n  after:  {after}\n"))?;
        }
        if let (Some(before), Some(best)) = (held_out, outcome.best) {
            stdout::write(&format!("\nheld-out loss: {before:.4} before, {:.4} after\n\n", best.nll))?;
        }
        train::summarise(context, &outcome, &self.output, &recipe);
        Ok(Exit::Done)
    }

    fn recipe(&self) -> Result<Recipe> {
        let changes = [
            format!("train.steps={}", self.steps),
            "train.learning_rate=1e-3".to_owned(),
            "train.batch_size=8".to_owned(),
            "train.evaluate_every=20".to_owned(),
            "data.validation=0.1".to_owned(),
            "data.max_length=256".to_owned(),
        ];
        let data = std::path::absolute(self.output.join("rankine_qa.jsonl"))?;
        let mut recipe = Recipe::new(self.model.clone(), data);
        recipe.method = rankine_method::Choice::named(&self.method)?;
        Ok(recipe.with(&changes)?)
    }
}

/// The model's greedy answers.
fn answers(loaded: &Loaded) -> Result<Vec<String>> {
    QUESTIONS.iter().map(|question| answer(loaded, question)).collect()
}

fn answer(loaded: &Loaded, question: &str) -> Result<String> {
    let prompt = chat_tokens(&loaded.tokenizer, &[Message::user(question)])?;
    let speaker = Speaker { loaded, aloud: false, interrupted: &|| false };
    let speech =
        speaker.speak(&mut Reading::new(loaded.model.as_ref()), &prompt, ANSWER, &Sampling::default())?;
    Ok(speech.text.trim().replace('\n', " "))
}
