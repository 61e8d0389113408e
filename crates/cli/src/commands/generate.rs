//! `rankine generate`: one answer, streamed.

use crate::model::ModelArgs;
use crate::sampling::{SamplingArgs, Speaker, Speech};
use crate::{Context, Exit, stdout};
use anyhow::Context as _;
use rankine_data::{ChatOptions, Message, Moment, Tokenizer};
use rankine_nn::generate::{Ending, Reading};
use rankine_report::format;
use serde::Serialize;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Continue or answer a prompt
///
/// The prompt is put into the model's chat template. The answer goes to stdout as it comes, the speed to stderr.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    #[command(flatten)]
    model: ModelArgs,
    /// The prompt; `-` reads it from stdin
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// What the model is told before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Continue the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine generate smollm2-135m --prompt \"What is the capital of France?\"
  rankine generate smollm2-135m --adapter runs/first --prompt - < question.txt
  rankine generate model.gguf --raw --prompt \"Once upon a time\" --temperature 0.8 --top-p 0.95 --seed 7";

/// The answer and how it came about.
#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    adapter: Option<&'a Path>,
    prompt: &'a str,
    text: &'a str,
    prompt_tokens: usize,
    tokens: usize,
    ending: &'static str,
    seconds: f64,
}

impl Generate {
    /// Answers.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sampling = self.sampling.sampling(0)?;
        let prompt = read_prompt(&self.prompt)?;
        let loaded = self.model.load(context)?;
        let tokens = self.tokens(&loaded.tokenizer, &prompt)?;
        let speaker = Speaker { loaded: &loaded, aloud: !self.json, interrupted: &|| false };
        let speech = speaker.speak(
            &mut Reading::new(loaded.model.as_ref()),
            &tokens,
            self.sampling.limit(),
            &sampling,
        )?;
        match self.json {
            true => context.show_json(&self.answer(&prompt, tokens.len(), &speech))?,
            false if speech.text.ends_with('\n') => {}
            false => stdout::write("\n")?,
        }
        context.say(summary(&speech));
        Ok(Exit::Done)
    }

    fn tokens(&self, tokenizer: &Tokenizer, prompt: &str) -> anyhow::Result<Vec<u32>> {
        if self.raw {
            return Ok(tokenizer.encode(prompt, true)?);
        }
        let system = self.system.as_deref().map(Message::system);
        let messages: Vec<Message> = system.into_iter().chain([Message::user(prompt)]).collect();
        chat_tokens(tokenizer, &messages)
    }

    fn answer<'a>(&'a self, prompt: &'a str, prompt_tokens: usize, speech: &'a Speech) -> Answer<'a> {
        Answer {
            model: &self.model.model,
            adapter: self.model.adapter.as_deref(),
            prompt,
            text: &speech.text,
            prompt_tokens,
            tokens: speech.tokens,
            ending: ending_word(speech.ending),
            seconds: speech.seconds,
        }
    }
}

/// A conversation that ends with the opening of an answer.
pub fn chat_tokens(tokenizer: &Tokenizer, messages: &[Message]) -> anyhow::Result<Vec<u32>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = Some(Moment::from_unix(now.cast_signed()));
    let options = ChatOptions { add_generation_prompt: true, now, ..ChatOptions::default() };
    // The template writes the special tokens itself.
    Ok(tokenizer.encode(&tokenizer.render(messages, &options)?, false)?)
}

fn read_prompt(prompt: &str) -> anyhow::Result<String> {
    if prompt != "-" {
        return Ok(prompt.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("while reading the prompt from stdin")?;
    // A file's last line end is no part of a question.
    Ok(text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .unwrap_or(&text)
        .to_owned())
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Stop => "stop",
        Ending::Length => "length",
        Ending::Interrupted => "interrupted",
    }
}

fn summary(speech: &Speech) -> String {
    let speed = speech.tokens as f64 / speech.seconds.max(1e-9);
    let cut = if speech.ending == Ending::Length { "; cut at the limit, see `--max-tokens`" } else { "" };
    let tokens = format::count(speech.tokens as u64);
    format!(
        "{tokens} tokens in {}, {} tokens/s{cut}",
        format::duration(speech.seconds),
        format::number(speed, 3)
    )
}
