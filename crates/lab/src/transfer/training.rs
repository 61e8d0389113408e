//! The small classifier: pretrained, trained and judged.

use super::{Network, Setting};
use crate::{Error, Images, Result};
use rankine_nn::{Kind, Pass, for_each_trained_mut, penalty};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops, untaped};
use rankine_train::{AdamW, Optimizer};
use std::sync::Arc;

/// Images and their classes; [t, width] and [t].
pub(crate) type Batch = (Tensor, Arc<[u32]>);

/// What is minimised on a batch, penalties of the weights apart; [1].
pub(crate) type Loss<'a, N> = &'a dyn Fn(&N, &Batch) -> Result<Tensor>;

/// Learning rates.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    pub hidden: f32,
    pub head: f32,
}

pub(crate) fn pretrain<N: Network>(setting: &Setting, images: &Images, rng: &Rng) -> Result<N> {
    let mut model = N::build(setting, images.width, classes(images), &rng.fork("network"))?;
    let rates = Rates { hidden: setting.head_rate, head: setting.head_rate };
    let steps = (setting.pretraining_steps, setting.batch);
    let losses = train(&mut model, images, &rng.fork("pretraining"), steps, rates)?;
    finite(&losses, rates).map(|()| model)
}

/// An error where the losses ended with one that is no number.
pub(crate) fn finite(losses: &[f64], rates: Rates) -> Result<()> {
    match losses.last() {
        Some(loss) if !loss.is_finite() => {
            Err(Error::NotFinite { step: losses.len(), learning_rate: rates.hidden })
        }
        _ => Ok(()),
    }
}

/// Trains what is trained in `model` with AdamW at constant rates; the loss of every step, up to one that is no number.
pub(crate) fn train<N: Network>(
    model: &mut N,
    images: &Images,
    rng: &Rng,
    (steps, batch): (usize, usize),
    rates: Rates,
) -> Result<Vec<f64>> {
    let batches = images.steps(batch, rng).take(steps).map(|rows| images.batch(&rows));
    follow(model, batches, &mut AdamW::default(), rates)
}

/// The same with any optimizer, on one batch after the other.
pub(crate) fn follow<N: Network>(
    model: &mut N,
    batches: impl Iterator<Item = Result<Batch>>,
    optimizer: &mut dyn Optimizer,
    rates: Rates,
) -> Result<Vec<f64>> {
    minimise(model, batches, optimizer, rates, &loss::<N>)
}

/// Mean −ln p of the classes of a batch; [1].
pub(crate) fn loss<N: Network>(model: &N, (x, targets): &Batch) -> Result<Tensor> {
    let hidden = model.hidden(x, &Pass::quiet())?;
    Ok(ops::losses(&hidden, &model.head().weight.dense()?, targets)?.mean())
}

/// The same with any loss.
pub(crate) fn minimise<N: Network>(
    model: &mut N,
    batches: impl Iterator<Item = Result<Batch>>,
    optimizer: &mut dyn Optimizer,
    rates: Rates,
    loss: Loss<'_, N>,
) -> Result<Vec<f64>> {
    let mut losses = Vec::new();
    for (batch, step) in batches.zip(1..) {
        let loss = loss(model, &batch?)?;
        losses.push(f64::from(loss.item()));
        if !loss.item().is_finite() {
            break;
        }
        let objective = match penalty(model)? {
            Some(penalty) => loss.add(&penalty)?,
            None => loss,
        };
        let gradients = objective.backward()?;
        for_each_trained_mut(model, &mut |place, variable| {
            let rate = if place.kind == Kind::Head { rates.head } else { rates.hidden };
            if let Some(gradient) = gradients.of(variable) {
                gradient.read(|values| optimizer.update(&place, variable, values, step, rate));
            }
        });
    }
    Ok(losses)
}

/// Share of images classified rightly.
pub(crate) fn accuracy<N: Network>(model: &N, images: &Images) -> Result<f64> {
    let [_, accuracy] = score(model, images)?;
    Ok(accuracy)
}

/// Mean −ln p of the class, and the share of images classified rightly.
pub(crate) fn score<N: Network>(model: &N, images: &Images) -> Result<[f64; 2]> {
    let (mut loss, mut right) = (0.0, 0);
    let rows: Vec<usize> = (0..images.labels.len()).collect();
    for rows in rows.chunks(1024) {
        let (x, targets) = images.batch(rows)?;
        let (hidden, head) =
            untaped(|| model.hidden(&x, &Pass::quiet()).and_then(|h| Ok((h, model.head().weight.dense()?))))?;
        let scored = ops::score(&hidden, &head, &targets)?;
        loss += scored.losses.iter().copied().map(f64::from).sum::<f64>();
        right += scored.greedy.iter().zip(targets.iter()).filter(|(found, target)| found == target).count();
    }
    let count = rows.len().max(1) as f64;
    Ok([loss / count, right as f64 / count])
}

/// One more than the largest label.
pub(crate) fn classes(images: &Images) -> usize {
    images.labels.iter().max().map_or(0, |&largest| largest as usize + 1)
}
