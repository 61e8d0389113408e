//! Benchmarks by name: each is a `harness = false` bench of the crate that it measures, built with optimisation.

use anyhow::{Result, bail};
use std::process::Command;

/// Name of the chore, crate, and bench target.
const BENCHES: [(&str, &str, &str); 4] = [
    ("train", "rankine-run", "train"),
    ("attach", "rankine-run", "attach"),
    ("merge", "rankine-surgery", "merge"),
    ("networks", "rankine-nn", "networks"),
];

/// Runs a benchmark, which prints its figures itself.
pub fn run(name: &str) -> Result<bool> {
    let Some((_, package, bench)) = BENCHES.iter().find(|(known, ..)| *known == name) else {
        let known: Vec<&str> = BENCHES.iter().map(|(known, ..)| *known).collect();
        bail!("no benchmark `{name}`; there are: {}", known.join(", "));
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["bench", "--quiet", "--package", package, "--bench", bench]).status()?;
    Ok(status.success())
}
