//! The commands, one file each.

mod adapter;
mod chat;
mod completions;
mod demo;
mod evaluate;
mod generate;
mod init;
mod merge;
mod methods;
mod papers;
mod pull;
mod reproduce;
mod train;

use crate::{Context, Exit};

/// What the user wants done.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Fine-tune a small real model and show what it learnt: a few minutes on a laptop
    Demo(demo::Demo),
    /// Fine-tune a model through the structure of its weights: LoRA, PiSSA
    Train(Box<train::Train>),
    /// Download a model into the cache, or list the known ones
    Pull(pull::Pull),
    /// Continue or answer a prompt
    Generate(generate::Generate),
    /// Talk to a model in the terminal
    Chat(chat::Chat),
    /// Measure how well a model predicts a data set: mean NLL, perplexity, token accuracy
    Evaluate(evaluate::Evaluate),
    /// Write an adapter's changes into a copy of its base model
    Merge(merge::Merge),
    /// Check, convert or combine adapters in peft's format
    Adapter(adapter::Adapter),
    // Its own help is longer than a line, which a comment of three slashes here would hide.
    Init(init::Init),
    /// List the methods of fine-tuning, or show one with its settings
    Methods(methods::Methods),
    /// List the papers this program builds on and how far each is, or show one
    Papers(papers::Papers),
    /// Run the experiment that shows a paper's claim
    Reproduce(reproduce::Reproduce),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Completions),
}

impl Command {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Demo(command) => command.run(context),
            Self::Train(command) => command.run(context),
            Self::Pull(command) => command.run(context),
            Self::Generate(command) => command.run(context),
            Self::Chat(command) => command.run(context),
            Self::Evaluate(command) => command.run(context),
            Self::Merge(command) => command.run(context),
            Self::Adapter(command) => command.run(context),
            Self::Init(command) => command.run(context),
            Self::Methods(command) => command.run(context),
            Self::Papers(command) => command.run(context),
            Self::Reproduce(command) => command.run(context),
            Self::Completions(command) => command.run(context),
        }
    }
}
