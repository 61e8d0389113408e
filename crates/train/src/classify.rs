//! Classifiers: −ln p(class) of every example.
//!
//!     loss_i = ln Σ_k exp(z_ik) − z_{i, label_i}        z: [examples, classes]

use crate::{Confusion, Count, Error, Measured, Result, Task};
use rankine_data::{LabelledBatch, LabelledExample};
use rankine_nn::{Classifier, Pass, Tokens};
use rankine_tensor::{Tensor, untaped};
use serde::Serialize;

/// How well classes are told apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassScore {
    /// Mean −ln p(class).
    pub nll: f64,
    /// Labels against guesses.
    pub confusion: Confusion,
    /// Example by example.
    pub examples: Vec<Classified>,
}

/// One example's share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// Its class.
    pub label: u32,
    /// The most probable class.
    pub guess: u32,
    /// −ln p(class).
    pub nll: f64,
}

impl Measured for ClassScore {
    fn nll(&self) -> f64 {
        self.nll
    }

    /// Accuracy, F1 of the second of two classes, mean F1 of all classes, Matthews' correlation.
    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let confusion = &self.confusion;
        let mut metrics = vec![("accuracy", confusion.accuracy())];
        if confusion.classes() == 2 {
            metrics.push(("f1", confusion.f1(1)));
        }
        metrics.extend([("macro_f1", confusion.macro_f1()), ("matthews", confusion.matthews())]);
        metrics
    }

    fn scored(&self) -> usize {
        self.examples.len()
    }
}

/// Telling texts apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Classify;

impl Task for Classify {
    type Model = dyn Classifier;
    type Sample = LabelledExample;
    type Score = ClassScore;

    fn count(&self, batch: &LabelledBatch) -> Count {
        Count { targets: batch.labels.len(), tokens: batch.tokens.len() }
    }

    fn losses<'m>(
        &self,
        model: &'m Self::Model,
        batch: &LabelledBatch,
        pass: &mut Pass<'m>,
    ) -> Result<Tensor> {
        let chosen = one_hot(&batch.labels, model.classes())?;
        cross_entropy(&model.logits(&tokens(batch), pass)?, &chosen)
    }

    fn score(
        &self,
        model: &Self::Model,
        batches: &mut dyn Iterator<Item = LabelledBatch>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<ClassScore> {
        let mut score = ClassScore::new(model.classes());
        for batch in batches {
            check(&batch.labels, model.classes())?;
            let logits = untaped(|| model.logits(&tokens(&batch), &mut Pass::quiet()))?;
            score.add(&logits.to_vec(), &batch.labels);
            watch(score.examples.len());
        }
        Ok(score.finished())
    }
}

impl ClassScore {
    /// Of so many classes, nothing scored yet.
    pub(crate) fn new(classes: usize) -> Self {
        Self { confusion: Confusion::new(classes), ..Self::default() }
    }

    /// Counts some examples, whose labels are classes; logits: [examples, classes].
    pub(crate) fn add(&mut self, logits: &[f32], labels: &[u32]) {
        let rows = logits.chunks_exact(self.confusion.classes().max(1));
        for (row, &label) in rows.zip(labels) {
            let example = classified(row, label);
            self.confusion.add(label as usize, example.guess as usize);
            self.examples.push(example);
        }
    }

    /// With the mean over all examples.
    pub(crate) fn finished(self) -> Self {
        let sum: f64 = self.examples.iter().map(|example| example.nll).sum();
        Self { nll: sum / self.examples.len().max(1) as f64, ..self }
    }
}

fn tokens(batch: &LabelledBatch) -> Tokens {
    Tokens::packed(&batch.tokens, &batch.lengths).with_types(&batch.types)
}

/// ln Σ exp(z) − z of the chosen class; logits and chosen: [examples, classes] → [examples].
pub(crate) fn cross_entropy(logits: &Tensor, chosen: &Tensor) -> Result<Tensor> {
    let examples = logits.shape()[0];
    let chosen = logits.mul(chosen)?.sum_axis(1)?;
    Ok(logits.log_sum_exp(1)?.sub(&chosen)?.reshape(&[examples])?)
}

/// One where a row's label is, else 0; [labels, classes].
pub(crate) fn one_hot(labels: &[u32], classes: usize) -> Result<Tensor> {
    check(labels, classes)?;
    let mut values = vec![0.0; labels.len() * classes];
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] = 1.0;
    }
    Ok(Tensor::new(values, &[labels.len(), classes])?)
}

pub(crate) fn check(labels: &[u32], classes: usize) -> Result<()> {
    match labels.iter().find(|&&label| label as usize >= classes) {
        None => Ok(()),
        Some(label) => {
            let found = format!("{label} of {classes} classes");
            Err(Error::Setting { name: "label", expected: "one of the model's classes", found })
        }
    }
}

/// From the scores of an example's classes; the first of the largest is the guess.
fn classified(logits: &[f32], label: u32) -> Classified {
    let best = logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    let largest = best.map_or(0.0, |(_, &logit)| f64::from(logit));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    let chosen = f64::from(logits[label as usize]);
    Classified { label, guess: best.map_or(0, |(class, _)| class as u32), nll: largest + sum.ln() - chosen }
}
