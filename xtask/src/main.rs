//! Chores of the project, run as `cargo xtask <chore>`. One file per chore.

#![expect(clippy::print_stdout, reason = "a chore reports on the terminal")]

mod bench;
mod generate;
mod instructions;
mod papers;
mod source;
mod tidy;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <chore>

  tidy                 check the rules of the house; sizes are reported, broken rules are errors
  bench [NAME…]        speed and memory on this machine, beside its own limits; `--json` for programs
  instructions         count the instructions of the hot kernels under valgrind; fails over a budget
  generate [--check]   write docs/papers.md and docs/cli.md; with --check, fail where they are stale
  generate KEY [OPTION…]
                       run the experiment of a paper in full, with options of `rankine reproduce`, and write its page and
                       figures into docs/papers/";

/// Exit codes as those of `rankine`: 0 done, 1 a check failed, 2 could not do it.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the chore found everything in order.
fn run(words: &[&str]) -> Result<bool> {
    match words {
        ["tidy"] => tidy::run(),
        ["bench", names @ ..] => bench::run(names),
        ["instructions"] => instructions::run(),
        ["generate"] => generate::run(generate::Mode::Write),
        ["generate", "--check"] => generate::run(generate::Mode::Check),
        ["generate", key, options @ ..] if !key.starts_with('-') => {
            let root = workspace::root()?;
            generate::page::write(root, &papers::read(root)?, key, options)
        }
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => bail!("no such chore: `{}`\n\n{USAGE}", words.join(" ")),
    }
}
