//! Matching by training (STE), beside weight matching: the order of units with the least loss half-way between two networks.
//!
//! It is sought twice: from weight matching on, and by the loss alone, from nothing on. Networks are narrow, where weight matching
//! leaves a barrier; three of every width were trained apart, the second and the third are matched to the first.

mod claims;
mod page;

pub(super) use claims::findings;
pub(super) use page::show;

use super::{
    line::{Judge, Line},
    stored::Training,
    widths::{OfWidth, THRESHOLDS},
};
use crate::{
    Error, Result,
    transfer::{self, Split},
};
use rankine_analyze::{vector_alignment, vector_ratio};
use rankine_checkpoint::Tensors;
use rankine_nn::{Model as _, for_each_trained, models::Mlp};
use rankine_random::Rng;
use rankine_surgery::{Aligned, Alignment, Loss, Origin, PermutationSpec, StraightThrough, Subject, Watch};
use std::ops::ControlFlow;

/// What is trained, sought and measured.
pub(super) struct Plan {
    /// Of all widths; the hidden layers of its setting do not count.
    pub training: Training,
    /// Ascending.
    pub widths: Vec<usize>,
    /// How orders are sought, wherever that begins.
    pub search: StraightThrough,
    /// Images a step of the search.
    pub batch: usize,
    /// On a line; odd.
    pub points: usize,
}

/// Three networks of one width, with the units of the second and the third in several orders.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Searched {
    pub seed: u64,
    pub width: usize,
    /// As they are.
    pub naive: Way,
    /// By weight matching.
    pub weights: Way,
    /// By training from weight matching on.
    pub trained: Way,
    /// By the loss alone.
    pub alone: Way,
}

/// What an order does.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Way {
    /// From the first to the second and to the third.
    pub lines: [Line; 2],
    /// From the second to the third, which never saw each other.
    pub others: Line,
    /// R of the first and the second, of vectors of large singular values.
    pub ratio: f64,
}

impl Plan {
    pub(super) fn run(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Vec<Searched>> {
        let mut found = Vec::new();
        for &seed in &self.training.setting.seeds {
            for &width in &self.widths {
                found.push(self.searched(seed, width, images, watch)?);
            }
        }
        Ok(found)
    }

    fn searched(
        &self,
        seed: u64,
        width: usize,
        images: &Split,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Searched> {
        let training = self.training.of_width(width);
        let rng = Rng::new(seed).fork("matching").fork("searched").fork_index("width", width);
        let place = format!("seed {seed}, width {width}");
        let [first, second, third] = training.three::<Mlp>(&place, &images.train, &rng, watch)?;
        let [first, second, third] = [&first, &second, &third].map(Subject::Bare);
        watch(&format!("{place}: matching by training and measuring"));
        let judge = |images| Judge { setting: &training.setting, images, points: self.points, seen: None };
        let draws = rng.fork("search");
        let steps = images.train.steps(self.batch, &draws).take(self.search.steps);
        let learning = Learning { judge: judge(&images.train), steps: steps.collect() };
        let alignment = Alignment { seed, ..Alignment::default() };
        let by_training = |origin: Origin, other: Subject<'_>| -> Result<Aligned> {
            let search = StraightThrough { origin, ..self.search };
            let models = (first, other);
            Ok(search.find(&alignment, models, &learning, &mut |_| ControlFlow::Continue(()))?.aligned)
        };
        let orders = |other: Subject<'_>| -> Result<[Aligned; 3]> {
            let by_weights = alignment.find(first, other, &mut |_| ControlFlow::Continue(()))?;
            Ok([by_weights, by_training(Origin::Weights, other)?, by_training(Origin::Nothing, other)?])
        };
        let (seconds, thirds) = (orders(second)?, orders(third)?);
        let judge = judge(&images.test);
        let measured = |others: [&dyn Tensors; 2]| way(&judge, first.tensors(), others);
        let ordered = |at: usize| measured([&seconds[at].applied(second), &thirds[at].applied(third)]);
        let naive = measured([second.tensors(), third.tensors()])?;
        let (weights, trained, alone) = (ordered(0)?, ordered(1)?, ordered(2)?);
        Ok(Searched { seed, width, naive, weights, trained, alone })
    }
}

fn way(judge: &Judge<'_>, first: &dyn Tensors, [second, third]: [&dyn Tensors; 2]) -> Result<Way> {
    let vectors = vector_alignment(first, &[second], &THRESHOLDS[1..], &mut |_| ControlFlow::Continue(()))?;
    let line = |ends: [&dyn Tensors; 2]| judge.line::<Mlp>(ends);
    Ok(Way {
        lines: [line([first, second])?, line([first, third])?],
        others: line([second, third])?,
        ratio: vectors.first().map_or(f64::NAN, |matrices| vector_ratio(matrices, 0)),
    })
}

/// The loss on the images that networks learnt from.
struct Learning<'a> {
    judge: Judge<'a>,
    /// Rows of every step.
    steps: Vec<Vec<usize>>,
}

impl Loss for Learning<'_> {
    type Error = Error;

    fn steps_per_epoch(&self) -> usize {
        self.judge.images.labels.len() / self.steps.first().map_or(1, Vec::len).max(1)
    }

    fn of(&self, model: &dyn Tensors, _: &mut Watch<'_>) -> Result<f64> {
        let [loss, _] = transfer::score(&self.judge.read::<Mlp>(model)?, self.judge.images)?;
        Ok(loss)
    }

    fn slope(
        &self,
        model: &dyn Tensors,
        spec: &PermutationSpec,
        step: usize,
        each: &mut dyn FnMut(&str, &[f32]) -> rankine_surgery::Result<()>,
    ) -> Result<()> {
        let model: Mlp = self.judge.read(model)?;
        let batch = self.judge.images.batch(&self.steps[step - 1])?;
        let gradients = transfer::loss(&model, &batch)?.backward()?;
        let mut slopes = Vec::new();
        for_each_trained(&model, &mut |_, variable| slopes.push(gradients.of(variable)));
        for (parameter, slope) in model.parameters().into_iter().zip(slopes) {
            if let Some(slope) = slope.filter(|_| spec.is_permuted(parameter.path())) {
                slope.read(|slope| each(parameter.path(), slope))?;
            }
        }
        Ok(())
    }
}

impl OfWidth for Searched {
    fn width(&self) -> usize {
        self.width
    }
}

impl Searched {
    /// All ways, with what they are called.
    pub(super) fn ways(&self) -> [(&'static str, &Way); 4] {
        let Self { naive, weights, trained, alone, .. } = self;
        [
            ("as they are", naive),
            ("by weights", weights),
            ("trained from there on", trained),
            ("by the loss alone", alone),
        ]
    }
}

impl Way {
    /// The barrier between the first and another.
    pub(super) fn barrier(&self) -> f64 {
        self.mean(Line::barrier)
    }

    /// The mean over the lines from the first of something of them.
    pub(super) fn mean(&self, figure: fn(&Line) -> f64) -> f64 {
        transfer::mean(&self.lines.each_ref().map(figure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drawn,
        language::Held,
        linear_mode_connectivity::stored::Stored,
        transfer::{Network, Setting},
    };
    use rankine_checkpoint::Bare;
    use rankine_surgery::UnitKind;

    #[test]
    fn slopes_are_those_of_the_loss() {
        let setting = Setting { hidden: vec![5; 2], ..Setting::default() };
        let images = drawn::images(2, &Rng::new(1));
        let judge = Judge { setting: &setting, images: &images, points: 3, seen: None };
        let learning = Learning { judge, steps: vec![(0..images.labels.len()).collect()] };
        let held = Mlp::build(&setting, images.width, 10, &Rng::new(2)).unwrap().held().unwrap();
        let bare = Bare::new("model", Box::new(held.clone()));
        let spec = PermutationSpec::of(Subject::Bare(&bare), &UnitKind::ALL).unwrap();
        let (mut moved, mut names, mut square, rate) = (held.clone(), Vec::new(), 0.0, 1e-5_f32);
        let each = &mut |name: &str, slope: &[f32]| -> rankine_surgery::Result<()> {
            let mut values = vec![0.0; slope.len()];
            held.read_into(name, &mut values)?;
            values.iter_mut().zip(slope).for_each(|(value, slope)| *value -= rate * slope);
            square += slope.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            moved.insert(name, &held.infos()[name].shape, values);
            names.push(name.to_owned());
            Ok(())
        };
        learning.slope(&held, &spec, 1, each).unwrap();
        let loss = |model: &Held| learning.of(model, &mut |_| ControlFlow::Continue(())).unwrap();
        let (fallen, expected) = (loss(&held) - loss(&moved), f64::from(rate) * square);
        assert!(0.0 < expected && (fallen / expected - 1.0).abs() < 0.05, "{fallen} {expected}");
        assert!(names.iter().eq(held.infos().keys()), "{names:?}");
        assert_eq!(learning.steps_per_epoch(), 1);
    }
}
