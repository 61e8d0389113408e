//! Benchmarks: builds the program and `crates/bench` with optimisation and runs the latter.

use anyhow::{Context as _, Result};
use std::process::Command;

/// Runs benchmarks by name, all without one; they print their figures themselves.
pub fn run(words: &[&str]) -> Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let packages = ["--package", "rankine", "--package", "rankine-bench"];
    let built = Command::new(&cargo).args(["build", "--quiet", "--release"]).args(packages).status();
    if !built.context("while starting cargo")?.success() {
        return Ok(false);
    }
    let run = ["run", "--quiet", "--release", "--package", "rankine-bench", "--"];
    Ok(Command::new(cargo).args(run).args(words).status()?.success())
}
