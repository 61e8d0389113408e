//! The accuracies of one kind of network, and questions to them.

use super::{
    Plan, pair, shallow,
    trial::{Contender, Patch},
};
use crate::{
    damage::Damage,
    transfer::{self, Setting},
};

/// The accuracy of a network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Score {
    pub seed: u64,
    pub contender: Contender,
    /// On images with this damage, or without any.
    pub test: Option<Damage>,
    pub accuracy: f64,
}

/// Everything about one kind of network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Measured {
    pub network: &'static str,
    pub setting: Setting,
    pub damages: Vec<Damage>,
    /// Of patches, beside 1.
    pub weights: Vec<f64>,
    /// Layers below the head.
    pub depth: usize,
    /// ‖robust − clean‖/‖pretrained‖ of every layer.
    pub drift: Vec<f64>,
    /// What a patch leaves behind where it is taken off, over the largest weight.
    pub residue: f64,
    /// Than a copy of the network, rounded patches.
    pub times_smaller: f64,
    pub scores: Vec<Score>,
}

impl Measured {
    /// Mean accuracy over the seeds; NaN where it was not measured.
    pub(super) fn accuracy(&self, contender: &Contender, test: Option<Damage>) -> f64 {
        let of = |score: &&Score| score.contender == *contender && score.test == test;
        let found: Vec<f64> = self.scores.iter().filter(of).map(|score| score.accuracy).collect();
        if found.is_empty() { f64::NAN } else { transfer::mean(&found) }
    }

    /// The clean network with the signature of a damage in the shallow layers.
    pub(super) fn patched(&self, damage: Damage) -> Contender {
        Contender::Patched(Plan::patch(damage, shallow(self.depth)))
    }

    /// What a contender has above the clean network.
    pub(super) fn gain(&self, contender: &Contender, test: Damage) -> f64 {
        self.accuracy(contender, Some(test)) - self.accuracy(&Contender::Clean, Some(test))
    }

    /// Gains of patches on their own damage, summed over the damages.
    pub(super) fn gains(&self, patch: impl Fn(Damage) -> Patch) -> f64 {
        self.damages.iter().map(|&damage| self.gain(&Contender::Patched(patch(damage)), damage)).sum()
    }

    /// What the patches of the other damages gain on one, in the mean.
    pub(super) fn gain_of_others(&self, damage: Damage) -> f64 {
        let others = self.damages.iter().filter(|other| **other != damage);
        let gains = others.map(|&other| self.gain(&self.patched(other), damage));
        transfer::mean(&gains.collect::<Vec<_>>())
    }

    /// For every two damages what half of both patches gains on either.
    pub(super) fn pairs(&self) -> Vec<([Damage; 2], [f64; 2])> {
        let firsts = self.damages.iter().enumerate();
        let pairs =
            firsts.flat_map(|(at, &first)| self.damages[at + 1..].iter().map(move |&second| [first, second]));
        let gains = |damages: [Damage; 2]| {
            let patched = Contender::Patched(pair(damages, shallow(self.depth)));
            (damages, damages.map(|damage| self.gain(&patched, damage)))
        };
        pairs.map(gains).collect()
    }
}
