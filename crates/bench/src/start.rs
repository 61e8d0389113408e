//! How long the program takes to answer when it has nothing to do.

use crate::{
    Result,
    figure::{Figure, median},
};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 31;

/// The program beside this one.
pub fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("rankine");
    match program.is_file() {
        true => Ok(program),
        false => Err(format!("`{}` is not there: build it first", program.display()).into()),
    }
}

/// `rankine --help` and `rankine methods`.
pub fn run() -> Result<Vec<Figure>> {
    let program = program()?;
    let time = |word: &str| -> Result<f64> {
        let started = Instant::now();
        let status = Command::new(&program).arg(word).stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("`rankine {word}` failed").into());
        }
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    let words = ["--help", "methods"];
    words
        .into_iter()
        .map(|word| {
            let mut times = (0..ROUNDS).map(|_| time(word)).collect::<Result<Vec<f64>>>()?;
            Ok(Figure::new(format!("rankine {word}"), median(&mut times), "ms"))
        })
        .collect()
}
