//! How the cost of a LoRA step grows: with threads, with the length of the examples, with the rank.
//!
//! Every case runs in a process of its own: the number of threads is fixed when a process starts, and so is its peak of
//! memory.

use crate::{Result, alone, figure::Figure, train};
use rankine_nn::models::Storage;

/// One case, from the environment.
pub fn case() -> Result<Vec<Figure>> {
    let number = |name: &str, usual: usize| match std::env::var(name) {
        Ok(word) => word.parse::<usize>().map_err(|_| format!("{name} is no count: `{word}`")),
        Err(_) => Ok(usual),
    };
    train::low_rank(Storage::F32, number("LENGTH", 256)?, number("RANK", 16)?)
}

/// All cases.
pub fn run() -> Result<Vec<Figure>> {
    let threads = [1, 2].map(|threads| (threads, 256, 16));
    let lengths = [128, 512, 1024, 2048].map(|length| (2, length, 16));
    let ranks = [4, 64, 256].map(|rank| (2, 256, rank));
    let mut figures = Vec::new();
    for (threads, length, rank) in threads.into_iter().chain(lengths).chain(ranks) {
        let variables = [("RAYON_NUM_THREADS", threads), ("LENGTH", length), ("RANK", rank)]
            .map(|(name, count)| (name, count.to_string()));
        let found = alone("scaling-case", &variables)?;
        let value = |what: &str| found.get(what).copied().unwrap_or(f64::NAN);
        let name = format!("{threads} threads, length {length}, rank {rank}");
        figures.push(Figure::new(format!("{name}: a step"), value("seconds a step"), "s"));
        figures.push(Figure::new(format!("{name}: peak"), value("peak resident"), "MB"));
    }
    Ok(figures)
}
