//! How good the models on the line between two others are.
//!
//!     θ(t) = (1 − t)·θ_a + t·θ_b
//!
//! Loss is the mean −ln p on some data. Every model is made in memory, one after the other; the two ends are those of the files.

use crate::{DataSection, Error, Result, kind::Runnable, matching::Guide, reading::Reading};
use rankine_checkpoint::{Network, Pair, Tensors};
use rankine_data::{Batches, Batching};
use rankine_nn::models::{ResNet, Storage};
use rankine_surgery::{Interpolated, Progress, Stage, Watch};
use rankine_tensor::Tensor;
use rankine_train::{Classify, ClassifyImages, Measured, NextToken, Task};
use serde::Serialize;
use std::path::Path;

/// A model on the line, and how good it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PathPoint {
    /// Share of the second model.
    pub t: f64,
    /// Mean −ln p, of tokens or of classes.
    pub nll: f64,
    /// Share of them that the model would have said itself.
    pub accuracy: f64,
}

/// Data, and what it takes to score any model of one architecture on them.
pub struct Examiner {
    pub(crate) held: Box<dyn Examine>,
    pub(crate) resets_norms: bool,
}

impl Examiner {
    /// Data for models that are like the one at `model`, `batch` examples at a time.
    ///
    /// # Errors
    /// When model or data cannot be read, or there are labels and no head for them.
    pub fn open(model: &Path, data: &DataSection, batch: usize) -> Result<Self> {
        let (held, resets_norms) = (open(model, data, Batching::Examples(batch))?, false);
        Ok(Self { held, resets_norms })
    }

    /// Counts the statistics of batch norms anew on the images at every point between two models: those of an average fit neither.
    /// `false` where the network has none that can be counted.
    pub fn reset_norms(&mut self) -> bool {
        self.resets_norms = self.held.has_norms();
        self.resets_norms
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.held.examples()
    }

    /// Scores `steps` models at equal distances, from the first to the second; `watch` hears of examples, and is asked between two
    /// models whether to go on.
    ///
    /// # Errors
    /// When there are fewer than two steps, a model cannot be read, or `watch` breaks off.
    pub fn along(&self, pair: Pair<'_>, steps: usize, watch: &mut Watch<'_>) -> Result<Vec<PathPoint>> {
        if steps < 2 {
            let (expected, found) = ("2 or more", steps.to_string());
            return Err(Error::Setting { key: "steps", expected, found });
        }
        let (examples, mut points) = (self.examples(), Vec::with_capacity(steps));
        let total = (steps * examples) as u64;
        let mut tell = |done: usize| watch(Progress { stage: Stage::Evaluating, done: done as u64, total });
        for step in 0..steps {
            if tell(step * examples).is_break() {
                return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
            }
            let t = step as f64 / (steps - 1) as f64;
            let between = 0 < step && step + 1 < steps;
            let told = &mut |done: usize| {
                // Asked once more when this model is scored.
                let _ = tell(step * examples + done);
            };
            let model = Interpolated::new(pair, t);
            let [nll, accuracy] = self.held.examine(&model, self.resets_norms && between, told)?;
            points.push(PathPoint { t, nll, accuracy });
        }
        Ok(points)
    }
}

/// How far the loss rises above the line between its two ends, as [`rankine_analyze::barrier()`] has it.
pub fn barrier(points: &[PathPoint]) -> f64 {
    let losses: Vec<(f64, f64)> = points.iter().map(|point| (point.t, point.nll)).collect();
    rankine_analyze::barrier(&losses)
}

/// Scores models of a kind.
pub(crate) trait Examine: Guide {
    fn examples(&self) -> usize;

    /// Whether the statistics of norms can be counted anew.
    fn has_norms(&self) -> bool {
        false
    }

    /// Mean −ln p and accuracy.
    fn examine(
        &self,
        tensors: &dyn Tensors,
        reset_norms: bool,
        watch: &mut dyn FnMut(usize),
    ) -> Result<[f64; 2]>;
}

/// What models are read from, and what they are shown.
pub(crate) struct Held<T: Runnable> {
    pub files: T::Files,
    pub task: T,
    pub batches: Batches<T::Sample>,
}

/// A small residual network.
pub(crate) struct Residual(pub Held<ClassifyImages>);

fn open(model: &Path, data: &DataSection, batching: Batching) -> Result<Box<dyn Examine>> {
    Ok(match Reading::with_head(model, data)? {
        Reading::Language(files) => Box::new(Held::new(files, NextToken, data, batching)?),
        Reading::Texts(files) => Box::new(Held::new(files, Classify, data, batching)?),
        Reading::Images(files) => {
            let is_residual = *files.network() == Network::ResNet;
            let held = Held::new(files, ClassifyImages::default(), data, batching)?;
            if is_residual { Box::new(Residual(held)) } else { Box::new(held) }
        }
    })
}

impl<T: Runnable> Held<T> {
    fn new(mut files: T::Files, task: T, data: &DataSection, batching: Batching) -> Result<Self> {
        let batches = Batches::new(T::examples(&mut files, data)?, batching, 0)?;
        Ok(Self { files, task, batches })
    }
}

impl<T: Runnable> Examine for Held<T> {
    fn examples(&self) -> usize {
        self.batches.examples().len()
    }

    fn examine(&self, tensors: &dyn Tensors, _: bool, watch: &mut dyn FnMut(usize)) -> Result<[f64; 2]> {
        let model = T::load(&self.files, tensors, Storage::File)?;
        Ok(numbers(&self.task.score(model.as_ref(), &mut self.batches.sequential(), watch)?))
    }
}

impl Examine for Residual {
    fn examples(&self) -> usize {
        self.0.examples()
    }

    fn has_norms(&self) -> bool {
        true
    }

    fn examine(
        &self,
        tensors: &dyn Tensors,
        reset_norms: bool,
        watch: &mut dyn FnMut(usize),
    ) -> Result<[f64; 2]> {
        if !reset_norms {
            return self.0.examine(tensors, false, watch);
        }
        let mut model = ResNet::load(tensors, Storage::File)?;
        // In drawn order: those of a folder lie class by class, and a norm would see one class at a time.
        let images = (0..self.0.batches.steps_per_epoch()).map(|step| {
            let batch = self.0.batches.get(step);
            let [channels, height, width] = batch.sides;
            Tensor::new(batch.pixels, &[batch.labels.len(), channels, height, width])
        });
        model.calibrate(images.collect::<Result<Vec<Tensor>, _>>().map_err(rankine_nn::Error::from)?)?;
        Ok(numbers(&self.0.task.score(&model, &mut self.0.batches.sequential(), watch)?))
    }
}

fn numbers(score: &impl Measured) -> [f64; 2] {
    let accuracy = score.metrics().into_iter().find(|(name, _)| *name == "accuracy");
    [score.nll(), accuracy.map_or(f64::NAN, |(_, value)| value)]
}
