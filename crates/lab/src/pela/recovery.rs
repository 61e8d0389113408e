//! A compressed network, brought back towards the one that it was made from.
//!
//!     L = w · cross-entropy + λ · features of both hidden layers + γ · perturbation
//!
//! Everything of it is trained: factors, biases and head, on a few images of the old classes.

use crate::{
    Images, Result,
    transfer::{self, Batch, Network as _, Rates, Setting},
};
use rankine_method::{attach, pela::Pela};
use rankine_nn::{ImageClassifier as _, Kind, Model as _, Pass, models::Mlp, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops, untaped};
use rankine_train::{AdamW, feature_loss};

/// What a compressed network is brought back by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub label: &'static str,
    /// w.
    labels: f32,
    /// λ.
    features: f32,
    /// γ.
    perturbation: f32,
}

impl Way {
    const fn new(label: &'static str, labels: f32, features: f32, perturbation: f32) -> Self {
        Self { label, labels, features, perturbation }
    }

    /// As it was compressed.
    pub const TRUNCATED: Self = Self::new("truncated", 0.0, 0.0, 0.0);
    /// By the labels alone.
    pub const LABELS: Self = Self::new("labels", 1.0, 0.0, 0.0);
    /// By the teacher alone.
    pub const FEATURES: Self = Self::new("features", 0.0, 1.0, 0.0);
    /// By both.
    pub const BOTH: Self = Self::new("labels + features", 1.0, 1.0, 0.0);
    /// By both, and held near the weights.
    pub const HELD: Self = Self::new("labels + features + perturbation", 1.0, 1.0, 1.0);

    /// All of them.
    pub const ALL: [Self; 5] = [Self::TRUNCATED, Self::LABELS, Self::FEATURES, Self::BOTH, Self::HELD];

    /// What is minimised, the perturbation apart; [1].
    fn loss(&self, student: &Mlp, teacher: &Mlp, (x, targets): &Batch) -> Result<Tensor> {
        let (found, goal) = (features(student, x)?, untaped(|| features(teacher, x))?);
        let far = feature_loss(&found, &goal)?.scale(self.features);
        let Some(hidden) = found.last().filter(|_| self.labels > 0.0) else { return Ok(far) };
        let wrong = ops::losses(hidden, &student.head().weight.dense()?, targets)?.mean();
        Ok(wrong.scale(self.labels).add(&far)?)
    }
}

/// Outputs of the hidden layers; [t, d] each.
fn features(network: &Mlp, x: &Tensor) -> Result<Vec<Tensor>> {
    let mut pass = Pass::quiet();
    pass.keep_features();
    network.logits(x, &mut pass)?;
    Ok(pass.take_features())
}

/// One network that was compressed, and perhaps brought back.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Recovered {
    pub ratio: f32,
    pub way: &'static str,
    pub seed: u64,
    /// The best learning rate; `None` where nothing was trained.
    pub rate: Option<f32>,
    /// Share of old test images classified rightly.
    pub accuracy: f64,
    /// Largest |b·a − W| of all hidden layers.
    pub largest: f64,
}

/// The network that others are made from, and what they are brought back with.
pub(super) struct Teacher<'a> {
    pub network: &'a Mlp,
    pub setting: &'a Setting,
    /// Old images to learn from, and to be judged on.
    pub images: &'a Images,
    pub test: &'a Images,
    /// Steps.
    pub steps: usize,
    /// Learning rates, of which the best counts.
    pub rates: &'a [f32],
    pub seed: u64,
    pub rng: &'a Rng,
}

impl Teacher<'_> {
    /// The best student of a way, and how good it is.
    pub fn student(&self, way: &Way, ratio: f32) -> Result<(Mlp, Recovered)> {
        if way.labels + way.features == 0.0 {
            return self.judged(self.compressed(way, ratio)?, way, (ratio, None));
        }
        let mut best: Option<(Mlp, Recovered)> = None;
        for &rate in self.rates {
            let found = self.judged(self.brought_back(way, ratio, rate)?, way, (ratio, Some(rate)))?;
            if best.as_ref().is_none_or(|(_, best)| best.accuracy < found.1.accuracy) {
                best = Some(found);
            }
        }
        match best {
            Some(best) => Ok(best),
            None => self.judged(self.compressed(way, ratio)?, way, (ratio, None)),
        }
    }

    fn brought_back(&self, way: &Way, ratio: f32, rate: f32) -> Result<Mlp> {
        let mut student = self.compressed(way, ratio)?;
        let rng = self.rng.fork("recovery");
        let rows = self.images.steps(self.setting.batch, &rng);
        let batches = rows.take(self.steps).map(|rows| self.images.batch(&rows));
        let rates = Rates { hidden: rate, head: rate };
        let loss = |student: &Mlp, batch: &Batch| way.loss(student, self.network, batch);
        let losses = transfer::minimise(&mut student, batches, &mut AdamW::default(), rates, &loss)?;
        transfer::finite(&losses, rates).map(|()| student)
    }

    /// The network with thin layers, all of it trained.
    fn compressed(&self, way: &Way, ratio: f32) -> Result<Mlp> {
        let (width, classes) = (self.images.width, self.network.classes());
        let mut student = Mlp::build(self.setting, width, classes, self.rng)?;
        for (parameter, original) in student.parameters_mut().into_iter().zip(self.network.parameters()) {
            parameter.weight = Box::new(Dense::trained(&original.weight.dense()?));
        }
        let method = Pela { ratio, perturbation: way.perturbation, ..Pela::default() };
        attach(&mut student, &method, &Mlp::modules(self.setting), self.rng, &mut |_, _| {})?;
        Ok(student)
    }

    fn judged(&self, student: Mlp, way: &Way, (ratio, rate): (f32, Option<f32>)) -> Result<(Mlp, Recovered)> {
        let accuracy = transfer::accuracy(&student, self.test)?;
        let largest = self.largest(&student)?;
        let recovered = Recovered { ratio, way: way.label, seed: self.seed, rate, accuracy, largest };
        Ok((student, recovered))
    }

    /// Largest |b·a − W| of all hidden layers.
    fn largest(&self, student: &Mlp) -> Result<f64> {
        let mut largest: f32 = 0.0;
        for (thin, whole) in student.parameters().into_iter().zip(self.network.parameters()) {
            if thin.kind() == Kind::Linear {
                let off =
                    untaped(|| Ok::<_, crate::Error>(thin.weight.dense()?.sub(&whole.weight.dense()?)?))?;
                largest = off.read(|off| off.iter().fold(largest, |largest, off| largest.max(off.abs())));
            }
        }
        Ok(f64::from(largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, transfer::testing};

    #[test]
    fn a_training_that_leaves_the_numbers_is_an_error() {
        let (setting, data, rng) = (testing::setting(), testing::data().new, Rng::new(1));
        let network = Mlp::build(&setting, data.train.width, 3, &rng).unwrap();
        let teacher = Teacher {
            network: &network,
            setting: &setting,
            images: &data.train,
            test: &data.test,
            steps: 3,
            rates: &[f32::NAN],
            seed: 0,
            rng: &rng,
        };
        let found = teacher.student(&Way::LABELS, 2.0).map(|(_, recovered)| recovered);
        assert!(matches!(found, Err(Error::NotFinite { step: 2, .. })), "{found:?}");
    }
}
