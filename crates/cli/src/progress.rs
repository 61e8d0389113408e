//! The line of a training run: step, loss, learning rate, speed, memory, time left.
//!
//! On a terminal one line is rewritten; elsewhere a plain line follows at every tenth of the run.

use crate::interrupt::Interrupt;
use crate::memory;
use indicatif::{ProgressBar, ProgressStyle};
use rankine_report::format;
use rankine_run::Notice;
use rankine_train::{Measured, Step};
use std::{
    io::{IsTerminal as _, Write as _},
    ops::ControlFlow,
};

/// Shows a run, and stops it after the step in which Ctrl-C was pressed.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    interrupt: Interrupt,
    steps: usize,
    done: usize,
    seconds: f64,
    tokens: usize,
    /// What they are.
    unit: &'static str,
    made: usize,
}

impl Progress {
    /// Takes over Ctrl-C; a second one ends the program at once.
    pub fn new(quiet: bool) -> Self {
        let interrupt = Interrupt::listen();
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| ProgressBar::new(0).with_style(style()));
        Self { bar, quiet, interrupt, steps: 0, done: 0, seconds: 0.0, tokens: 0, unit: "tokens", made: 0 }
    }

    /// Shows what happened; the answer is whether to go on.
    pub fn notice(&mut self, notice: &Notice<'_>) -> ControlFlow<()> {
        match notice {
            Notice::Data(summary, train, held_out) => self.say(&format!(
                "data: {train} examples to learn from, {held_out} held out; {} tokens, {} to learn; {} truncated, {} dropped",
                format::count(summary.tokens as u64),
                format::count(summary.answer_tokens as u64),
                summary.truncated,
                summary.dropped
            )),
            Notice::Labelled(summary, train, held_out) => self.say(&format!(
                "data: {train} examples to learn from, {held_out} held out; {} classes, {} tokens; {} truncated",
                summary.classes.len(),
                format::count(summary.tokens as u64),
                summary.truncated
            )),
            Notice::Images(summary, train, held_out) => {
                self.unit = "images";
                let [_, height, width] = summary.sides;
                self.say(&format!(
                    "data: {train} images to learn from, {held_out} held out; {} classes, {height} by {width} pixels",
                    summary.classes.len()
                ));
            }
            Notice::Calibrating(done, total) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("calibrating: {done} of at most {total} batches"));
                }
            }
            Notice::Unsettled(weights) => self.say(&format!(
                "calibration: the directions of {weights} weights had not converged; more data or `max_batches` know them better"
            )),
            Notice::Capped(cut) => self.say(&format!("model: {}", cut.words())),
            Notice::Attaching(done, total) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("taking over weights: {done} of {total}"));
                }
            }
            Notice::Searching(done, total) => match &self.bar {
                Some(bar) => {
                    bar.set_length(*total as u64);
                    bar.set_position(*done as u64);
                    bar.set_message(format!("searching for modules: step {done} of {total}"));
                }
                None if done.is_multiple_of(total.div_ceil(10).max(1)) => {
                    self.say(&format!("search: step {done} of {total}"));
                }
                None => {}
            },
            Notice::Picked(candidates) => {
                let picked = candidates.iter().filter(|candidate| candidate.picked);
                let names: Vec<&str> = picked.map(|candidate| candidate.module.as_str()).collect();
                self.say(&format!(
                    "search: {} of {} modules are trained: {}",
                    names.len(),
                    candidates.len(),
                    names.join(", ")
                ));
            }
            Notice::Ready { weights, trained, all, steps, done } => {
                (self.steps, self.done) = (*steps, *done);
                if let Some(bar) = &self.bar {
                    bar.set_length(*steps as u64);
                    bar.set_position(*done as u64);
                }
                self.say(&format!(
                    "model: {weights} weights taken over, {} of {} numbers trained ({})",
                    format::count(*trained as u64),
                    format::count(*all as u64),
                    format::percent(*trained as f64 / (*all).max(1) as f64)
                ));
            }
            Notice::Step(step, seconds) => self.step(step, *seconds),
            Notice::Evaluated(step, score, best) => self.say(&format!(
                "step {step}: held-out loss {:.4}{}{}",
                score.nll(),
                measurements(*score),
                if *best { " (best)" } else { "" }
            )),
            Notice::Saved(_) => {}
        }
        self.interrupt.flow()
    }

    fn step(&mut self, step: &Step, seconds: f64) {
        self.seconds += seconds;
        self.tokens += step.tokens;
        self.made += 1;
        let left = (self.steps - step.step) as f64 * self.seconds / self.made as f64;
        let line = format!(
            "step {}/{}  loss {:.4}  lr {:.2e}  {} {}/s  {}  {} left",
            step.step,
            self.steps,
            step.loss,
            step.learning_rate,
            format::number(self.tokens as f64 / self.seconds.max(1e-9), 3),
            self.unit,
            memory::resident().map_or_else(|| "memory unknown".to_owned(), format::bytes),
            format::duration(left)
        );
        if let Some(bar) = &self.bar {
            bar.set_position(step.step as u64);
            bar.set_message(line);
        } else if step.step == 1 || step.step.is_multiple_of((self.steps / 10).max(1)) {
            self.say(&line);
        }
    }

    fn say(&self, line: &str) {
        // Training goes on when nobody reads stderr any more.
        let write = || drop(writeln!(std::io::stderr(), "{line}"));
        if let Some(bar) = &self.bar {
            bar.suspend(write);
        } else if !self.quiet {
            write();
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What was measured beside the loss.
fn measurements(score: &dyn Measured) -> String {
    let one = |(name, value): (&str, f64)| match name {
        "perplexity" => format!(", perplexity {value:.2}"),
        "accuracy" => format!(", accuracy {}", format::percent(value)),
        _ => format!(", {} {value:.3}", name.replace('_', " ")),
    };
    score.metrics().into_iter().map(one).collect()
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:24} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}
