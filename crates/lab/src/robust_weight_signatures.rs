//! [signature]: what training on damaged images teaches is a patch of the shallow layers for a network trained on clean ones.
//!
//! A network is pretrained on moved images, then tuned on clean images and, from the same start, on every kind of damaged
//! ones. Signatures of the first half of the layers are added to the clean network. Shows: it becomes better on the damage;
//! little is lost on clean images; half of the layers do most of it; the own patch does more than others; two patches at half
//! strength go together; rounded to 16 values they stay; taken off, the network is what it was.
//! A quick look is at images that are drawn here; in full it is Fashion-MNIST, with a convolutional network and a vision transformer
//! beside.
//!
//! Departures: the paper's networks are pretrained on ImageNet, ours on the same images; four kinds of damage instead of 19.

mod claims;
mod measured;
mod page;
#[cfg(test)]
mod tests;
mod trial;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    damage::Damage,
    drawn, findings,
    transfer::{self, Network, Setting, Split},
    weights,
};
use measured::{Measured, Score};
use rankine_nn::models::{LeNet, Mlp, Vit};
use rankine_random::Rng;
use trial::{Contender, Patch, Trial};

/// Accuracy on damaged images of clean networks with robust weight signatures.
#[derive(Clone, Copy, Debug, Default)]
pub struct RobustWeightSignaturesExperiment;

impl Experiment for RobustWeightSignaturesExperiment {
    fn paper(&self) -> &'static str {
        "signature"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        watch("reading images");
        let images = drawn::split(scale, materials)?;
        let mut measured = vec![Plan::maps(scale).measure::<Mlp>(&images, watch)?];
        if scale == Scale::Full {
            measured
                .push(Plan::of("two convolutions and a map", [300, 150]).measure::<LeNet>(&images, watch)?);
            measured.push(Plan::of("four blocks of attention", [600, 300]).measure::<Vit>(&images, watch)?);
        }
        Ok(page::claim(&measured))
    }
}

/// What is tried with a network.
struct Plan {
    network: &'static str,
    setting: Setting,
    /// Learning rate of the tuning.
    rate: f32,
    damages: Vec<Damage>,
    /// Of a patch, beside 1.
    weights: Vec<f64>,
}

/// Numbers of values that signatures are rounded to; the first is claimed.
const LEVELS: [usize; 2] = [16, 4];

impl Plan {
    fn maps(scale: Scale) -> Self {
        let setting = |width, pretraining_steps, steps, batch, seeds: u64| {
            let (hidden, seeds) = (vec![width; 4], (0..seeds).collect());
            Setting { hidden, pretraining_steps, steps, batch, seeds, ..Setting::default() }
        };
        let (setting, weights, blur) = match scale {
            Scale::Quick => (setting(128, 400, 150, 64, 1), vec![0.5], None),
            Scale::Full => {
                (setting(256, 1000, 300, 128, 3), vec![0.25, 0.5, 0.75, 1.25, 1.5], Some(Damage::Blur))
            }
        };
        let damages = [Damage::Noise, Damage::Contrast, Damage::Brightness].into_iter().chain(blur).collect();
        Self { network: "four maps", setting, rate: 3e-4, damages, weights }
    }

    /// Of a network that is dearer than maps.
    fn of(network: &'static str, [pretraining_steps, steps]: [usize; 2]) -> Self {
        let setting =
            Setting { hidden: Vec::new(), pretraining_steps, steps, batch: 64, ..Setting::default() };
        let damages = vec![Damage::Noise, Damage::Contrast, Damage::Brightness];
        Self { network, setting, rate: 3e-4, damages, weights: vec![0.5] }
    }

    /// The signature of one damage as the paper has it, in so many layers.
    fn patch(damage: Damage, layers: usize) -> Patch {
        Patch { damages: vec![damage], layers, weight: 1.0, levels: 0 }
    }

    fn contenders(&self, depth: usize) -> Vec<Contender> {
        let (half, mut found) = (shallow(depth), vec![Contender::Clean]);
        for (at, &damage) in self.damages.iter().enumerate() {
            let whole = Self::patch(damage, half);
            let patches = (1..=depth)
                .map(|layers| Self::patch(damage, layers))
                .chain(self.weights.iter().map(|&weight| Patch { weight, ..whole.clone() }))
                .chain(LEVELS.map(|levels| Patch { levels, ..whole.clone() }))
                .chain(self.damages[at + 1..].iter().map(|&other| pair([damage, other], half)));
            found.extend(patches.map(Contender::Patched));
            found.extend([Contender::Robust(damage), Contender::Average(damage), Contender::Grafted(damage)]);
        }
        found
    }

    fn measure<N: Network>(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Measured> {
        let (mut scores, mut drifts, mut residues, mut times_smaller) = (vec![], vec![], vec![], 0.0);
        for &seed in &self.setting.seeds {
            let rng = Rng::new(seed).fork("signature");
            let trial: Trial<N> = Trial::new(self, &images.train, &rng, watch)?;
            let (depth, sizes) = (trial.depth(), [images.train.width, transfer::classes(&images.train)]);
            let damaged = |&damage: &Damage| (Some(damage), damage.apply(&images.test, &rng.fork("test")));
            let mut tests: Vec<_> = self.damages.iter().map(damaged).collect();
            tests.push((None, images.test.clone()));
            watch(&format!("{}: patching", self.network));
            for contender in self.contenders(depth) {
                let numbers = trial.numbers(&contender, shallow(depth));
                let model: N = weights::network(&self.setting, sizes, &numbers)?;
                for (test, judged) in tests.iter().filter(|(test, _)| judged_on(&contender, depth, *test)) {
                    let accuracy = transfer::accuracy(&model, judged)?;
                    scores.push(Score { seed, contender: contender.clone(), test: *test, accuracy });
                }
            }
            let stored =
                |&damage: &Damage| Patch { levels: LEVELS[0], ..Self::patch(damage, shallow(depth)) };
            let patches: Vec<Patch> = self.damages.iter().map(stored).collect();
            residues.extend(patches.iter().map(|patch| trial.residue(patch)));
            times_smaller = patches.first().map_or(0.0, |patch| trial.times_smaller(patch));
            drifts.push(trial.drift());
        }
        let depth = drifts.first().map_or(0, Vec::len);
        let drift =
            |layer: usize| transfer::mean(&drifts.iter().map(|drift| drift[layer]).collect::<Vec<_>>());
        Ok(Measured {
            network: self.network,
            setting: self.setting.clone(),
            damages: self.damages.clone(),
            weights: self.weights.clone(),
            depth,
            drift: (0..depth).map(drift).collect(),
            residue: findings::largest(residues),
            times_smaller,
            scores,
        })
    }
}

/// How many of some layers are called shallow.
fn shallow(depth: usize) -> usize {
    depth.div_ceil(2)
}

/// Two signatures, half of each.
fn pair(damages: [Damage; 2], layers: usize) -> Patch {
    Patch { damages: damages.into(), layers, weight: 0.5, levels: 0 }
}

/// The clean network and one signature as the paper has it are judged on everything, others on what they are about.
fn judged_on(contender: &Contender, depth: usize, test: Option<Damage>) -> bool {
    let damages = contender.damages();
    let whole = match damages {
        [] => true,
        [damage] => *contender == Contender::Patched(Plan::patch(*damage, shallow(depth))),
        _ => false,
    };
    whole || test.is_none_or(|damage| damages.contains(&damage))
}
