//! Convolutional networks with batch norm, two that were trained apart.
//!
//! Between two networks the statistics of norms are those of neither. Averaged like weights they are too large, the outputs of every
//! norm too small, and layer upon layer little is left; counted anew on the images they are right again.

use super::{
    conv_net::ConvNet,
    line::{Judge, Line},
    stored::Training,
};
use crate::{
    Images, Result,
    transfer::{Split, mean},
};
use rankine_checkpoint::Tensors;
use rankine_random::Rng;
use rankine_surgery::{Alignment, Subject};
use std::ops::ControlFlow;

/// Training images of every class that statistics are counted on.
const COUNTED: usize = 100;

/// What is trained and measured.
pub(super) struct Plan {
    /// Its hidden layers are channels.
    pub training: Training,
    /// On a line; odd.
    pub points: usize,
}

/// Two networks; pairs of lines are those of the networks as they are, and of the matched ones.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Twins {
    pub seed: u64,
    /// With averaged statistics.
    pub averaged: [Line; 2],
    /// With statistics that were counted anew.
    pub counted: [Line; 2],
}

impl Plan {
    pub(super) fn run(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Vec<Twins>> {
        let seen = images.train.of_each_class(COUNTED);
        let seeds = self.training.setting.seeds.iter();
        seeds.map(|&seed| self.twins(seed, images, &seen, watch)).collect()
    }

    fn twins(&self, seed: u64, images: &Split, seen: &Images, watch: &mut dyn FnMut(&str)) -> Result<Twins> {
        let rng = Rng::new(seed).fork("matching").fork("norms");
        let mut train = |name: &str| {
            watch(&format!("seed {seed}: training the {name} convolutional network"));
            self.training.run::<ConvNet>(name, &images.train, &rng)
        };
        let (first, second) = (train("first")?, train("second")?);
        watch(&format!("seed {seed}: matching and measuring"));
        let [first, second] = [&first, &second].map(Subject::Bare);
        let alignment = Alignment { seed, ..Alignment::default() };
        let matched = alignment.find(first, second, &mut |_| ControlFlow::Continue(()))?.applied(second);
        let (first, second) = (first.tensors(), second.tensors());
        let lines = |seen: Option<&Images>| -> Result<[Line; 2]> {
            let setting = &self.training.setting;
            let judge = Judge { setting, images: &images.test, points: self.points, seen };
            let line = |other: &dyn Tensors| judge.line::<ConvNet>([first, other]);
            Ok([line(second)?, line(&matched)?])
        };
        Ok(Twins { seed, averaged: lines(None)?, counted: lines(Some(seen))? })
    }
}

/// Mean over the seeds of something of the lines; NaN where there is none.
pub(super) fn mean_of(twins: &[Twins], figure: impl Fn(&Twins) -> f64) -> f64 {
    let found: Vec<f64> = twins.iter().map(figure).collect();
    if found.is_empty() { f64::NAN } else { mean(&found) }
}
