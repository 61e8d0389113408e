//! The small classifier: pretrained, trained and judged.

use super::Setting;
use crate::{Error, Images, Result};
use rankine_nn::{Kind, Pass, for_each_trained_mut, models::Mlp, penalty};
use rankine_random::Rng;
use rankine_tensor::{ops, untaped};
use rankine_train::{AdamW, Optimizer as _};

/// Learning rates.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    pub hidden: f32,
    pub head: f32,
}

pub(super) fn pretrain(setting: &Setting, images: &Images, rng: &Rng) -> Result<Mlp> {
    let sizes = [&[images.width], setting.hidden.as_slice(), &[classes(images)]].concat();
    let mut model = Mlp::new(&sizes, &rng.fork("network"))?;
    let rates = Rates { hidden: setting.head_rate, head: setting.head_rate };
    let steps = (setting.pretraining_steps, setting.batch);
    let losses = train(&mut model, images, &rng.fork("pretraining"), steps, rates)?;
    if losses.last().is_some_and(|loss| !loss.is_finite()) {
        return Err(Error::NotFinite { step: losses.len(), learning_rate: rates.hidden });
    }
    Ok(model)
}

/// Trains what is trained in `model` with AdamW at constant rates; the loss of every step, up to one that is no number.
pub(super) fn train(
    model: &mut Mlp,
    images: &Images,
    rng: &Rng,
    (steps, batch): (usize, usize),
    rates: Rates,
) -> Result<Vec<f64>> {
    let mut optimizer = AdamW::default();
    let mut losses = Vec::with_capacity(steps);
    for (rows, step) in images.steps(batch, rng).zip(1..=steps) {
        let (x, targets) = images.batch(&rows)?;
        let hidden = model.hidden(&x, &Pass::quiet())?;
        let loss = ops::losses(&hidden, &model.head().weight.dense()?, &targets)?.mean();
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
                gradient.read(|values| optimizer.update(&place, variable, values, step as u64, rate));
            }
        });
    }
    Ok(losses)
}

/// Share of images classified rightly.
pub(super) fn accuracy(model: &Mlp, images: &Images) -> Result<f64> {
    let mut right = 0;
    let rows: Vec<usize> = (0..images.labels.len()).collect();
    for rows in rows.chunks(1024) {
        let (x, targets) = images.batch(rows)?;
        let (hidden, head) =
            untaped(|| model.hidden(&x, &Pass::quiet()).and_then(|h| Ok((h, model.head().weight.dense()?))))?;
        let scored = ops::score(&hidden, &head, &targets)?;
        right += scored.greedy.iter().zip(targets.iter()).filter(|(found, target)| found == target).count();
    }
    Ok(right as f64 / rows.len().max(1) as f64)
}

/// One more than the largest label.
pub(crate) fn classes(images: &Images) -> usize {
    images.labels.iter().max().map_or(0, |&largest| largest as usize + 1)
}
