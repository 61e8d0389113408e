//! The program `rankine`: one file per command.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 done, but a check failed or an outcome is not
//! what was asked for; 2 could not do it.

#![forbid(unsafe_code)]

mod alignment;
mod bar;
mod calibration;
mod commands;
mod context;
mod disk;
mod errors;
mod gguf;
mod interrupt;
mod line;
mod memory;
mod model;
mod progress;
mod quality;
mod resume;
mod sampling;
mod settings;
mod stages;
mod stdout;
mod tokenizers;
mod units;
mod weights;

pub use context::{Context, Exit};

use anyhow::Context as _;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};
use rankine_kernels::cpu;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Fine-tune, inspect, merge and compress neural networks through the structure of their weights
#[derive(Parser)]
#[command(name = "rankine", version, propagate_version = true, subcommand_required = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(clap::Args)]
struct Global {
    /// Use this many threads instead of one a core
    #[arg(long, global = true, value_name = "N", help_heading = "Global options", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Say nothing but results and errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine demo                                        see it all on a small real model
  rankine train smollm2-135m --data alpaca.json --output runs/first
  rankine chat smollm2-135m --adapter runs/first
  rankine merge smollm2-135m runs/first --output merged

A MODEL is a known name (`rankine pull` lists them), a hub repository OWNER/NAME, a directory with config.json and \
safetensors, or a .gguf file.

Environment: RANKINE_CPU (baseline, avx2, avx512, avx512bf16 or amx: use no newer instructions).";

fn main() -> ExitCode {
    let stderr_color = context::wants_color(&std::io::stderr());
    let choice = if stderr_color { ColorChoice::Auto } else { ColorChoice::Never };
    let mut program = Cli::command().color(choice);
    let parsed = program
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|found| Ok((Cli::from_arg_matches(&found)?, resume::settings(&program, &found))));
    let (cli, settings) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    match run(cli, settings) {
        Ok(exit) => exit.into(),
        Err(error) if errors::is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            errors::show(&error, stderr_color);
            ExitCode::from(2)
        }
    }
}

/// Which instructions the kernels may use: a level of `rankine_kernels::cpu`.
const CPU: &str = "RANKINE_CPU";

/// Stack of a thread: that of a main thread on Linux.
const STACK_BYTES: usize = 8 << 20;

fn run(cli: Cli, settings: BTreeMap<String, String>) -> anyhow::Result<Exit> {
    rankine_kernels::memory::keep();
    let threads = cli.global.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_BYTES);
    pool.build_global().context("while starting the threads")?;
    if let Ok(word) = std::env::var(CPU) {
        limit_processor(&word).with_context(|| format!("while reading the environment variable `{CPU}`"))?;
    }
    // Inside the pool: work that is handed over from outside costs a sleep and two wake-ups, hundreds of times a token.
    rayon::scope(|_| cli.command.run(&Context::new(cli.global.quiet, settings)))
}

fn limit_processor(word: &str) -> anyhow::Result<()> {
    Ok(cpu::limit(word.parse()?)?)
}
