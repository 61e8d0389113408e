//! The program `rankine`: one file per command.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 done, but a check failed or an outcome is not
//! what was asked for; 2 could not do it.

#![forbid(unsafe_code)]

mod adapters;
mod alignment;
mod bar;
mod calibration;
mod commands;
mod context;
mod curve;
mod disk;
mod errors;
mod gguf;
mod interrupt;
mod line;
mod memory;
mod model;
mod output;
mod pages;
mod progress;
mod quality;
mod resume;
mod sampling;
mod settings;
mod stages;
mod stdout;
mod tokenizers;
mod truncation;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in the help of a command and of those below it, without what is said of them or done with the output.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter(|line| line.starts_with("  rankine ")).map(str::trim);
        let before = |line: &str, end: &str| line.split(end).next().unwrap_or_default().to_owned();
        let own = lines.map(|line| before(&before(&before(line, "   "), " > "), " < "));
        own.chain(command.get_subcommands().flat_map(examples)).collect()
    }

    /// As a shell parts them.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for character in line.chars() {
            match quote {
                Some(open) if open == character => quote = None,
                None if matches!(character, '\'' | '"') => quote = Some(character),
                None if character == ' ' => words.push(String::new()),
                _ => words.last_mut().unwrap().push(character),
            }
        }
        words
    }

    #[test]
    fn the_examples_of_all_helps_are_understood() {
        let examples = examples(&Cli::command());
        assert!(examples.iter().any(|line| line.starts_with("rankine solve transport")), "{examples:?}");
        for line in examples {
            let fault = Cli::try_parse_from(words(&line)).err().map(|fault| fault.to_string());
            assert_eq!(fault, None, "{line}");
        }
    }
}
