//! `rankine chat`: a conversation in the terminal.
//!
//! Answers go to stdout, everything else to stderr, so that a conversation can be piped in and its answers out.

use super::generate::chat_tokens;
use crate::interrupt::INTERRUPTED;
use crate::model::ModelArgs;
use crate::sampling::{SamplingArgs, Speaker};
use crate::{Context, Exit, errors, stdout};
use anyhow::Context as _;
use errors::Failure;
use rankine_data::Message;
use rankine_nn::generate::{Ending, Reading};
use rankine_run::Loaded;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Talk to a model in the terminal
///
/// In the conversation: `/reset` forgets it, `/system TEXT` sets what the model is told first, `/exit` or Ctrl-D ends
/// it, Ctrl-C stops an answer.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Chat {
    #[command(flatten)]
    model: ModelArgs,
    /// What the model is told before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine chat smollm2-135m
  rankine chat smollm2-135m --adapter runs/first --temperature 0.7 --top-p 0.9
  printf 'Hello!\\nWhat did I just say?\\n' | rankine chat smollm2-135m";

/// Share of the context, as a divisor, that is kept free for an answer at most.
const ANSWER_SHARE: usize = 4;

impl Chat {
    /// Talks until the end of the input.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.sampling.sampling(0)?;
        let loaded = self.model.load(context)?;
        let signals = Signals::listen()?;
        let mut talk = Talk {
            context,
            loaded: &loaded,
            sampling: &self.sampling,
            signals,
            system: self.system,
            messages: Vec::new(),
            reading: Reading::new(loaded.model.as_ref()),
            turns: 0,
        };
        let typed = std::io::stdin().is_terminal();
        if typed {
            context.say("`/reset` forgets, `/system TEXT` instructs, `/exit` ends; Ctrl-C stops an answer");
        }
        talk.converse(typed)?;
        Ok(Exit::Done)
    }
}

/// A conversation.
struct Talk<'a> {
    context: &'a Context,
    loaded: &'a Loaded,
    sampling: &'a SamplingArgs,
    signals: Signals,
    system: Option<String>,
    /// Questions and answers in turn.
    messages: Vec<Message>,
    reading: Reading,
    turns: u64,
}

impl Talk<'_> {
    fn converse(&mut self, typed: bool) -> anyhow::Result<()> {
        let mut line = String::new();
        loop {
            if typed {
                // Without a terminal there is nobody to ask.
                let _ = write!(std::io::stderr(), "> ").and_then(|()| std::io::stderr().flush());
            }
            line.clear();
            if std::io::stdin().lock().read_line(&mut line).context("while reading from stdin")? == 0 {
                return Ok(());
            }
            match line.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(()),
                command if command.starts_with('/') => self.command(command),
                question => match self.answer(question) {
                    Err(error) if typed && !errors::is_closed_output(&error) => {
                        errors::show(&error, self.context.color);
                    }
                    answered => answered?,
                },
            }
        }
    }

    fn command(&mut self, command: &str) {
        match command.split_once(char::is_whitespace).unwrap_or((command, "")) {
            ("/reset", "") => {
                self.messages.clear();
                self.context.say("(a new conversation)");
            }
            ("/system", text) => {
                self.system = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                self.messages.clear();
                let set = if self.system.is_some() { "set" } else { "removed" };
                self.context.say(format!("(system message {set}; a new conversation)"));
            }
            (unknown, _) => {
                self.context.say(format!("(`{unknown}` is none of `/reset`, `/system TEXT`, `/exit`)"));
            }
        }
    }

    /// Answers and remembers; a question that cannot be answered is forgotten.
    fn answer(&mut self, question: &str) -> anyhow::Result<()> {
        self.messages.push(Message::user(question));
        let spoken = self.speak();
        match &spoken {
            Ok(text) => self.messages.push(Message::assistant(text.as_str())),
            Err(_) => drop(self.messages.pop()),
        }
        spoken.map(drop)
    }

    fn speak(&mut self) -> anyhow::Result<String> {
        let prompt = self.fit()?;
        let sampling = self.sampling.sampling(self.turns)?;
        self.turns += 1;
        self.signals.begin();
        let interrupted = || self.signals.stopped();
        let speaker = Speaker { loaded: self.loaded, aloud: true, interrupted: &interrupted };
        let speech = speaker.speak(&mut self.reading, &prompt, self.sampling.limit(), &sampling);
        self.signals.end();
        let speech = speech?;
        stdout::write("\n")?;
        match speech.ending {
            Ending::Stop => {}
            Ending::Length => self.context.say("(cut at the limit of tokens)"),
            Ending::Interrupted => self.context.say("(stopped)"),
        }
        Ok(speech.text)
    }

    /// The conversation in tokens; its oldest turns are dropped until an answer has room.
    fn fit(&mut self) -> anyhow::Result<Vec<u32>> {
        let context = self.loaded.model.context();
        let room = context - self.sampling.limit().min(context / ANSWER_SHARE);
        let mut dropped = 0;
        loop {
            let system = self.system.as_deref().map(Message::system);
            let messages: Vec<Message> = system.into_iter().chain(self.messages.iter().cloned()).collect();
            let tokens = chat_tokens(&self.loaded.tokenizer, &messages)?;
            if tokens.len() <= room {
                if 0 < dropped {
                    self.context.say(format!(
                        "(the conversation no longer fits: its oldest turns were forgotten, {dropped} in number)"
                    ));
                }
                return Ok(tokens);
            }
            // The last message is the question itself.
            if self.messages.len() <= 2 {
                let (found, hint) = (tokens.len(), format!("shorten it to fewer than {room} tokens"));
                return Err(
                    Failure::with_hint(format!("{found} tokens leave no room for an answer"), hint).into()
                );
            }
            self.messages.drain(..2);
            dropped += 1;
        }
    }
}

/// Ctrl-C stops an answer; between answers it ends the program.
struct Signals {
    speaking: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let signals = Self { speaking: Arc::default(), stop: Arc::default() };
        let (speaking, stop) = (signals.speaking.clone(), signals.stop.clone());
        ctrlc::set_handler(move || match speaking.load(Ordering::SeqCst) {
            true => stop.store(true, Ordering::SeqCst),
            false => std::process::exit(INTERRUPTED),
        })
        .context("while setting up Ctrl-C")?;
        Ok(signals)
    }

    fn begin(&self) {
        self.stop.store(false, Ordering::SeqCst);
        self.speaking.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.speaking.store(false, Ordering::SeqCst);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
