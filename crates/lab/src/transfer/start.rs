//! Where every arm starts: the pretrained hidden layers, and a new head.

use super::{Arm, Network, Run, Setting, Split, Treatment, classes, mean, training};
use crate::{Images, Result};
use rankine_method::{Calibration, Choice, Shown, attach, calibrate, train_whole};
use rankine_nn::{Kind, Model, Pass, models::Mlp, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};
use std::marker::PhantomData;

/// The pretrained network, from which every arm begins anew.
pub(crate) struct Start<N = Mlp> {
    setting: Setting,
    /// Pixels and new classes.
    sizes: [usize; 2],
    /// One a parameter, in the model's order.
    values: Vec<Tensor>,
    /// New images that a method may see before it takes the network over; [batch, width] each.
    seen: Vec<Tensor>,
    rng: Rng,
    network: PhantomData<fn() -> N>,
}

/// Batches that a method may see: at full scale a thousand images, as in the trial of [eva]'s page.
const SEEN: usize = 8;

/// A network at the end of its run.
pub(crate) struct Finished<'a, L = String, N = Mlp> {
    pub run: &'a Run<L>,
    pub start: &'a Start<N>,
    pub model: &'a N,
}

impl<N: Network> Start<N> {
    pub(crate) fn new(pretrained: &N, setting: &Setting, images: &Images, rng: &Rng) -> Result<Self> {
        let parameters = pretrained.parameters().into_iter();
        let values =
            untaped(|| parameters.map(|parameter| parameter.weight.dense()).collect::<Result<_, _>>())?;
        let rows: Vec<usize> = (0..images.labels.len()).collect();
        let batches = rows.chunks(setting.batch.max(1)).take(SEEN);
        let seen = batches.map(|rows| Ok(images.batch(rows)?.0)).collect::<Result<_>>()?;
        let (setting, rng, sizes) = (setting.clone(), rng.clone(), [images.width, classes(images)]);
        Ok(Self { setting, sizes, values, seen, rng, network: PhantomData })
    }

    /// The network with frozen hidden layers and a trained head.
    pub(crate) fn model(&self) -> Result<N> {
        let [width, classes] = self.sizes;
        let mut model = N::build(&self.setting, width, classes, &self.rng.fork("new head"))?;
        for (parameter, value) in model.parameters_mut().into_iter().zip(&self.values) {
            if parameter.kind() != Kind::Head {
                parameter.weight = Box::new(Dense::frozen(value.clone()));
            }
        }
        Ok(model)
    }

    /// The network as an arm takes it over, and how many numbers of its hidden layers are trained.
    pub(crate) fn attached(&self, treatment: &Treatment) -> Result<(N, usize)> {
        let mut model = self.model()?;
        let all = N::modules(&self.setting);
        let Some((choice, modules)) = treatment.method(&all) else {
            let trained = train_whole(&mut model, &all)?;
            return Ok((model, trained));
        };
        let calibration = self.calibration(&mut model, choice)?;
        let (informed, rng) = (calibration.inform(choice.method()), self.rng.fork("method"));
        let trained = attach(&mut model, &informed, modules, &rng, &mut |_, _| {})?.trained;
        Ok((model, trained))
    }

    /// What a method that must see the network at work sees of it; nothing of others.
    pub(crate) fn calibration(&self, model: &mut N, choice: &Choice) -> Result<Calibration> {
        let (modules, rng) = (N::modules(&self.setting), self.rng.fork("calibration"));
        let mut batches = self.seen.iter();
        calibrate(model, &modules, &choice.method().needs(), &rng, &mut |model| {
            let Some(x) = batches.next() else {
                return Ok(Shown::Nothing);
            };
            untaped(|| model.hidden(x, &Pass::quiet()))?;
            Ok(Shown::All)
        })
    }

    pub(crate) fn run<L: Clone>(
        &self,
        (arm, rate, seed): (&Arm<L>, f32, u64),
        setting: &Setting,
        images: &Split,
    ) -> Result<(Run<L>, N)> {
        let (mut model, trained) = self.attached(&arm.treatment)?;
        let rates = training::Rates { hidden: rate, head: setting.head_rate };
        let steps = (setting.steps, setting.batch);
        let losses = training::train(&mut model, &images.train, &self.rng.fork("transfer"), steps, rates)?;
        let window = setting.window.min(losses.len());
        let (early, late) = (mean(&losses[..window]), mean(&losses[losses.len() - window..]));
        let accuracy = training::accuracy(&model, &images.test)?;
        Ok((Run { arm: arm.label.clone(), rate, seed, trained, losses, early, late, accuracy }, model))
    }
}

/// The values of the leaf `name` of every hidden layer that has one, with the path of its weight.
pub(crate) fn leaves(model: &dyn Model, name: &str) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    for parameter in model.parameters() {
        parameter.weight.leaves(&mut |leaf_name, leaf| {
            if leaf_name == name {
                found.push((parameter.path().to_owned(), leaf.tensor().to_vec()));
            }
        });
    }
    found
}
