//! What a run measured: `metrics.jsonl`, and the same for TensorBoard.

use crate::{Error, Result};
use indexmap::IndexMap;
use rankine_report::tensorboard::EventFile;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Line {
    /// A step.
    Step { step: usize, loss: f64, learning_rate: f32, gradient_norm: f64, tokens: usize, seconds: f64 },
    /// An evaluation on held-out data.
    Evaluation {
        step: usize,
        nll: f64,
        #[serde(alias = "tokens")]
        scored: usize,
        #[serde(flatten)]
        metrics: IndexMap<String, f64>,
    },
}

impl Line {
    fn step(&self) -> usize {
        match self {
            Self::Step { step, .. } | Self::Evaluation { step, .. } => *step,
        }
    }
}

/// The metrics of a run, in memory and on disk.
pub struct Metrics {
    pub(crate) lines: Vec<Line>,
    path: PathBuf,
    file: File,
    events: EventFile,
}

impl Metrics {
    /// Metrics up to a saved step are kept (a resume forgets what came after the state), new ones are added.
    pub(crate) fn open(folder: &Path, saved: Option<usize>) -> Result<Self> {
        let path = folder.join("metrics.jsonl");
        let io = |source| Error::Io { path: path.clone(), source };
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let read = old.lines().filter_map(|text| Some((text, serde_json::from_str::<Line>(text).ok()?)));
        // As they are: numbers that are read and written again lose their last digit.
        let (texts, lines): (Vec<&str>, Vec<Line>) =
            read.filter(|(_, line)| saved.is_some_and(|saved| line.step() <= saved)).unzip();
        let text: String = texts.into_iter().flat_map(|text| [text, "\n"]).collect();
        rankine_checkpoint::write_file_atomically(&path, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
        let mut events = EventFile::create(folder, now(), "rankine")?;
        if let Some(step) = saved {
            events.resumed(step as u64 + 1, now())?;
        }
        Ok(Self { lines, path, file, events })
    }

    pub(crate) fn add(&mut self, line: Line) -> Result<()> {
        let mut scalar =
            |tag: &str, step: usize, value: f64| self.events.scalar(tag, step as u64, now(), value as f32);
        match &line {
            Line::Step { step, loss, learning_rate, gradient_norm, .. } => {
                scalar("train/loss", *step, *loss)?;
                scalar("train/learning_rate", *step, f64::from(*learning_rate))?;
                scalar("train/gradient_norm", *step, *gradient_norm)?;
            }
            Line::Evaluation { step, nll, metrics, .. } => {
                scalar("validation/nll", *step, *nll)?;
                for (name, &value) in metrics {
                    scalar(&format!("validation/{name}"), *step, value)?;
                }
            }
        }
        self.events.flush()?;
        let text = serde_json::json!(line).to_string() + "\n";
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| Error::Io { path: self.path.clone(), source })?;
        self.lines.push(line);
        Ok(())
    }

    /// Step and training loss.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Step { step, loss, .. } => Some((*step as f64, *loss)),
            Line::Evaluation { .. } => None,
        })
    }

    /// Step and held-out loss.
    pub(crate) fn evaluations(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Evaluation { step, nll, .. } => Some((*step as f64, *nll)),
            Line::Step { .. } => None,
        })
    }

    /// Names of what else was measured on held-out data, but for perplexity, which the loss says.
    pub(crate) fn shares(&self) -> Vec<&str> {
        let evaluation = self.lines.iter().find_map(|line| match line {
            Line::Evaluation { metrics, .. } => Some(metrics),
            Line::Step { .. } => None,
        });
        let names = evaluation.into_iter().flat_map(IndexMap::keys).map(String::as_str);
        names.filter(|&name| name != "perplexity").collect()
    }

    /// Step and a measurement on held-out data.
    pub(crate) fn evaluations_of(&self, name: &str) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().filter_map(move |line| match line {
            Line::Evaluation { step, metrics, .. } => Some((*step as f64, *metrics.get(name)?)),
            Line::Step { .. } => None,
        })
    }

    /// Step and learning rate.
    pub(crate) fn learning_rates(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Step { step, learning_rate, .. } => Some((*step as f64, f64::from(*learning_rate))),
            Line::Evaluation { .. } => None,
        })
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_kept_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let step = |step| Line::Step {
            step,
            loss: 0.9770739460266447,
            learning_rate: 0.00025,
            gradient_norm: 0.12471709106775823,
            tokens: 3,
            seconds: 0.5,
        };
        let mut metrics = Metrics::open(folder.path(), None).unwrap();
        (1..=3).for_each(|number| metrics.add(step(number)).unwrap());
        let path = folder.path().join("metrics.jsonl");
        let before = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Metrics::open(folder.path(), Some(2)).unwrap().lines.len(), 2);
        let kept: String = before.lines().take(2).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }
}
