//! The commands, one file each.

mod adapter;
mod chat;
mod completions;
mod compress;
mod demo;
mod evaluate;
mod generate;
mod init;
mod merge;
mod methods;
mod papers;
mod pull;
mod reproduce;
mod solve;
mod train;

use crate::{Context, Exit};

/// What the user wants done. The help of each is that of its arguments: a comment here would stand in its place.
#[derive(clap::Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Train(Box<train::Train>),
    Pull(pull::Pull),
    Generate(generate::Generate),
    Chat(chat::Chat),
    Evaluate(evaluate::Evaluate),
    Merge(merge::Merge),
    Compress(compress::Compress),
    Adapter(adapter::Adapter),
    Init(init::Init),
    Methods(methods::Methods),
    Solve(Box<solve::Solve>),
    Papers(papers::Papers),
    Reproduce(reproduce::Reproduce),
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
            Self::Compress(command) => command.run(context),
            Self::Adapter(command) => command.run(context),
            Self::Init(command) => command.run(context),
            Self::Methods(command) => command.run(context),
            Self::Solve(command) => command.run(context),
            Self::Papers(command) => command.run(context),
            Self::Reproduce(command) => command.run(context),
            Self::Completions(command) => command.run(context),
        }
    }
}
