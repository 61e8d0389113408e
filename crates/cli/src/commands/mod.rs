//! The commands, one file each.

mod adapter;
mod align;
mod blend;
mod chat;
mod compensate;
mod completions;
mod compress;
mod connect;
mod convert;
mod demo;
mod diff;
mod evaluate;
mod extract;
mod fisher;
mod generate;
mod init;
mod inspect;
mod interaction;
mod interpolate;
mod merge;
mod methods;
mod papers;
mod pull;
mod quantize;
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
    Blend(blend::Blend),
    Align(Box<align::Align>),
    Interpolate(Box<interpolate::Interpolate>),
    Compress(Box<compress::Compress>),
    Compensate(Box<compensate::Compensate>),
    Quantize(quantize::Quantize),
    Convert(convert::Convert),
    Adapter(adapter::Adapter),
    Init(init::Init),
    Inspect(inspect::Inspect),
    Diff(Box<diff::Diff>),
    Connect(Box<connect::Connect>),
    Interaction(Box<interaction::InteractionCommand>),
    Fisher(fisher::FisherCommand),
    Extract(Box<extract::Extract>),
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
            Self::Blend(command) => command.run(context),
            Self::Align(command) => command.run(context),
            Self::Interpolate(command) => command.run(context),
            Self::Compress(command) => command.run(context),
            Self::Compensate(command) => command.run(context),
            Self::Quantize(command) => command.run(context),
            Self::Convert(command) => command.run(context),
            Self::Adapter(command) => command.run(context),
            Self::Init(command) => command.run(context),
            Self::Inspect(command) => command.run(context),
            Self::Diff(command) => command.run(context),
            Self::Connect(command) => command.run(context),
            Self::Interaction(command) => command.run(context),
            Self::Fisher(command) => command.run(context),
            Self::Extract(command) => command.run(context),
            Self::Methods(command) => command.run(context),
            Self::Solve(command) => command.run(context),
            Self::Papers(command) => command.run(context),
            Self::Reproduce(command) => command.run(context),
            Self::Completions(command) => command.run(context),
        }
    }
}
