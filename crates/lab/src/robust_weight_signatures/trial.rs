//! The networks of one seed, and what is made of them.

use super::Plan;
use crate::{
    Images, Result,
    damage::{self, Damage},
    findings,
    transfer::{self, Network, Rates},
    weights::{self, Numbers},
};
use rankine_random::Rng;
use rankine_surgery::robust_signature;
use std::marker::PhantomData;

/// What is judged.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    /// Tuned on images as they are.
    Clean,
    /// Tuned on damaged images.
    Robust(Damage),
    /// Half the clean and half the robust network.
    Average(Damage),
    /// The robust network in the shallow layers, the clean one in the others: nothing is projected out.
    Grafted(Damage),
    /// The clean network with signatures.
    Patched(Patch),
}

/// Signatures on the clean network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Patch {
    pub damages: Vec<Damage>,
    /// So many layers from the input on.
    pub layers: usize,
    /// Of each signature.
    pub weight: f64,
    /// Values that a signature is rounded to; 0 for all of f32's.
    pub levels: usize,
}

impl Contender {
    /// The damage that it was made against.
    pub(super) fn damages(&self) -> &[Damage] {
        match self {
            Self::Clean => &[],
            Self::Robust(damage) | Self::Average(damage) | Self::Grafted(damage) => {
                std::slice::from_ref(damage)
            }
            Self::Patched(patch) => &patch.damages,
        }
    }
}

/// The pretrained network, and what it was tuned to.
pub(super) struct Trial<N> {
    base: Numbers,
    clean: Numbers,
    robust: Vec<(Damage, Numbers)>,
    /// Of every parameter.
    layers: Vec<Option<usize>>,
    network: PhantomData<fn() -> N>,
}

impl<N: Network> Trial<N> {
    /// Pretrains a network on moved images, and tunes it on all kinds, batches in the same order.
    pub(super) fn new(plan: &Plan, images: &Images, rng: &Rng, watch: &mut dyn FnMut(&str)) -> Result<Self> {
        let (setting, sizes) = (&plan.setting, [images.width, transfer::classes(images)]);
        watch(&format!("{}: pretraining", plan.network));
        let start: N = transfer::pretrain(setting, &damage::moved(images, rng), rng)?;
        let base = weights::numbers(&start)?;
        let tuned = |images: &Images| -> Result<Numbers> {
            let mut model: N = weights::network(setting, sizes, &base)?;
            let (steps, rates) =
                ((setting.steps, setting.batch), Rates { hidden: plan.rate, head: plan.rate });
            let losses = transfer::train(&mut model, images, &rng.fork("tuning"), steps, rates)?;
            transfer::finite(&losses, rates)?;
            weights::numbers(&model)
        };
        watch(&format!("{}: tuning on clean images", plan.network));
        let clean = tuned(images)?;
        let mut robust = Vec::new();
        for &damage in &plan.damages {
            watch(&format!("{}: tuning on {}", plan.network, damage.name()));
            robust.push((damage, tuned(&damage.apply(images, &rng.fork("damaged")))?));
        }
        Ok(Self { clean, robust, layers: weights::layers(&start), base, network: PhantomData })
    }

    /// How many layers there are below the head.
    pub(super) fn depth(&self) -> usize {
        self.layers.iter().flatten().max().map_or(0, |deepest| deepest + 1)
    }

    /// The numbers of a contender; `shallow` is how many layers are so.
    pub(super) fn numbers(&self, contender: &Contender, shallow: usize) -> Numbers {
        match contender {
            Contender::Clean => self.clean.clone(),
            Contender::Robust(damage) => self.robust(*damage).clone(),
            Contender::Average(damage) => weights::sum(&[(0.5, &self.clean), (0.5, self.robust(*damage))]),
            Contender::Grafted(damage) => {
                let both = self.clean.iter().zip(self.robust(*damage)).zip(&self.layers);
                let chosen = both.map(|((clean, robust), layer)| match layer {
                    Some(layer) if *layer < shallow => robust.clone(),
                    _ => clean.clone(),
                });
                chosen.collect()
            }
            Contender::Patched(patch) => self.patched(&self.clean, patch, patch.weight),
        }
    }

    fn patched(&self, start: &Numbers, patch: &Patch, weight: f64) -> Numbers {
        let signatures: Vec<Numbers> =
            patch.damages.iter().map(|&damage| self.signature(damage, patch)).collect();
        let added = signatures.iter().map(|signature| (weight, signature));
        weights::sum(&[(1.0, start)].into_iter().chain(added).collect::<Vec<_>>())
    }

    /// Zero beyond the layers of the patch.
    fn signature(&self, damage: Damage, patch: &Patch) -> Numbers {
        let robust = self.robust(damage);
        let tensor = |at: usize| match self.layers[at] {
            Some(layer) if layer < patch.layers => {
                robust_signature(&self.base[at], &self.clean[at], &robust[at], patch.levels)
            }
            _ => vec![0.0; self.clean[at].len()],
        };
        (0..self.clean.len()).map(tensor).collect()
    }

    /// The largest difference between the clean network and itself with a patch put on and taken off, over its largest number.
    pub(super) fn residue(&self, patch: &Patch) -> f64 {
        let patched = self.patched(&self.clean, patch, patch.weight);
        let restored = self.patched(&patched, patch, -patch.weight);
        let pairs = || restored.iter().flatten().zip(self.clean.iter().flatten());
        let largest = pairs().map(|(_, clean)| f64::from(clean.abs())).fold(0.0, f64::max);
        findings::largest(pairs().map(|(found, clean)| f64::from((found - clean).abs()))) / largest
    }

    /// ‖robust − clean‖/‖base‖ of every layer, mean over the damages.
    pub(super) fn drift(&self) -> Vec<f64> {
        let layer = |layer: usize| {
            let places = || (0..self.layers.len()).filter(move |&at| self.layers[at] == Some(layer));
            let norm = |square: &dyn Fn(usize) -> f64| places().map(square).sum::<f64>().sqrt();
            let base = norm(&|at| self.base[at].iter().map(|&x| f64::from(x).powi(2)).sum());
            let of = |(_, robust): &(Damage, Numbers)| {
                let square = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).powi(2);
                norm(&|at| robust[at].iter().zip(&self.clean[at]).map(square).sum()) / base
            };
            transfer::mean(&self.robust.iter().map(of).collect::<Vec<_>>())
        };
        (0..self.depth()).map(layer).collect()
    }

    /// How many times smaller than a copy of the network a patch is whose numbers are codes of its levels, with the least and
    /// the largest number of every tensor beside them.
    pub(super) fn times_smaller(&self, patch: &Patch) -> f64 {
        let all: usize = self.clean.iter().map(Vec::len).sum();
        let places = self.layers.iter().zip(&self.clean);
        let kept = places.filter(|(layer, _)| layer.is_some_and(|layer| layer < patch.layers));
        let bits = (patch.levels as f64).log2().ceil();
        let patch: f64 = kept.map(|(_, numbers)| bits * numbers.len() as f64 + 64.0).sum();
        32.0 * all as f64 / patch
    }

    /// The clean network where there is none, which no plan asks for.
    fn robust(&self, damage: Damage) -> &Numbers {
        self.robust.iter().find(|(known, _)| *known == damage).map_or(&self.clean, |(_, robust)| robust)
    }
}
