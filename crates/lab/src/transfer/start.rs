//! Where every arm starts: the pretrained hidden layers, and a new head.

use super::{Arm, Run, Setting, Split, Treatment, mean, training};
use crate::Result;
use rankine_method::{attach, train_whole};
use rankine_nn::{Kind, Model as _, models::Mlp, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};

/// The pretrained network, from which every arm begins anew.
pub(crate) struct Start {
    sizes: Vec<usize>,
    /// One a parameter, in the model's order.
    values: Vec<Tensor>,
    rng: Rng,
}

/// A network at the end of its run.
pub(crate) struct Finished<'a, L = String> {
    pub run: &'a Run<L>,
    pub start: &'a Start,
    pub model: &'a Mlp,
}

impl Start {
    pub(super) fn new(pretrained: &Mlp, classes: usize, rng: &Rng) -> Result<Self> {
        let mut values = Vec::new();
        let mut sizes = Vec::new();
        for parameter in pretrained.parameters() {
            let value = untaped(|| parameter.weight.dense())?;
            if let Ok([_, inputs]) = value.matrix("start") {
                sizes.push(inputs);
            }
            values.push(value);
        }
        sizes.push(classes);
        Ok(Self { sizes, values, rng: rng.clone() })
    }

    /// The network with frozen hidden layers and a trained head.
    pub(crate) fn model(&self) -> Result<Mlp> {
        let mut model = Mlp::new(&self.sizes, &self.rng.fork("new head"))?;
        for (parameter, value) in model.parameters_mut().into_iter().zip(&self.values) {
            if parameter.kind() != Kind::Head {
                parameter.weight = Box::new(Dense::frozen(value.clone()));
            }
        }
        Ok(model)
    }

    /// The network as an arm takes it over, and how many numbers of its hidden layers are trained.
    pub(crate) fn attached(&self, treatment: &Treatment) -> Result<(Mlp, usize)> {
        let mut model = self.model()?;
        let modules: Vec<String> =
            (0..self.sizes.len().saturating_sub(2)).map(|i| format!("layers.{i}")).collect();
        let trained = match treatment {
            Treatment::Whole => train_whole(&mut model, &modules)?,
            Treatment::Method(choice) => {
                let rng = self.rng.fork("method");
                attach(&mut model, choice.method(), &modules, &rng, &mut |_, _| {})?.trained
            }
        };
        Ok((model, trained))
    }

    pub(super) fn run<L: Clone>(
        &self,
        (arm, rate, seed): (&Arm<L>, f32, u64),
        setting: &Setting,
        images: &Split,
    ) -> Result<(Run<L>, Mlp)> {
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
pub(crate) fn leaves(model: &Mlp, name: &str) -> Vec<(String, Vec<f32>)> {
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
