//! What matching by data asks of the models of a kind: how alike their units are, and the slope of a loss.

use super::activations::correlated;
use crate::{
    Result,
    kind::Runnable,
    path::{Held, Residual},
};
use rankine_checkpoint::Tensors;
use rankine_nn::{
    Model as _,
    models::{ResNet, Storage},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_surgery::{PermutationSpec, UnitOrders, Watch};
use rankine_tensor::Tensor;
use rankine_train::{BatchOf, ClassifyImages, Error, Task, gradient};

/// Where a slope is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The step, from 1: which batch it is of.
    pub step: usize,
    /// Its learning rate, for messages.
    pub learning_rate: f32,
    /// The statistics of batch norms are those of the batch, where they can be counted.
    pub resets_norms: bool,
}

/// The slope of the mean loss of a batch by some tensors, each with its name and as its file holds it.
pub(crate) type Slope = Vec<(String, Tensor)>;

/// Models of a kind, and data to match them by.
pub(crate) trait Guide {
    /// How many steps see every example once.
    fn steps_per_epoch(&self) -> usize;

    /// The orders of the second model's units by their correlations with those of the first.
    fn unit_orders<'s>(
        &self,
        spec: &'s PermutationSpec,
        models: [&dyn Tensors; 2],
        watch: &mut Watch<'_>,
    ) -> Result<UnitOrders<'s>>;

    /// The slope at a model, by what may be permuted of it.
    ///
    /// # Errors
    /// When the model cannot be read, or loss or slope are not finite.
    fn slope(&self, model: &dyn Tensors, spec: &PermutationSpec, asked: Asked) -> Result<Slope>;
}

impl<T: Runnable> Guide for Held<T> {
    fn steps_per_epoch(&self) -> usize {
        self.batches.steps_per_epoch()
    }

    fn unit_orders<'s>(
        &self,
        spec: &'s PermutationSpec,
        [first, second]: [&dyn Tensors; 2],
        watch: &mut Watch<'_>,
    ) -> Result<UnitOrders<'s>> {
        let load = |tensors: &dyn Tensors| T::load(&self.files, tensors, Storage::File);
        let (mut ours, mut theirs) = (load(first)?, load(second)?);
        correlated::<T>([&mut *ours, &mut *theirs], (&self.task, &self.batches), spec, watch)
    }

    fn slope(&self, model: &dyn Tensors, spec: &PermutationSpec, asked: Asked) -> Result<Slope> {
        let mut model = T::load(&self.files, model, Storage::File)?;
        let batch = self.batches.get(asked.step - 1);
        Ok(slope::<T>(&mut *model, (&self.task, batch), spec, asked)?)
    }
}

impl Guide for Residual {
    fn steps_per_epoch(&self) -> usize {
        self.0.steps_per_epoch()
    }

    fn unit_orders<'s>(
        &self,
        spec: &'s PermutationSpec,
        models: [&dyn Tensors; 2],
        watch: &mut Watch<'_>,
    ) -> Result<UnitOrders<'s>> {
        self.0.unit_orders(spec, models, watch)
    }

    fn slope(&self, model: &dyn Tensors, spec: &PermutationSpec, asked: Asked) -> Result<Slope> {
        if !asked.resets_norms {
            return self.0.slope(model, spec, asked);
        }
        let mut model = ResNet::load(model, Storage::File)?;
        let batch = self.0.batches.get(asked.step - 1);
        let [channels, height, width] = batch.sides;
        let shape = [batch.labels.len(), channels, height, width];
        let images = Tensor::new(batch.pixels.clone(), &shape).map_err(rankine_nn::Error::from)?;
        model.calibrate([images])?;
        Ok(slope::<ClassifyImages>(&mut model, (&self.0.task, batch), spec, asked)?)
    }
}

/// The slope of the mean loss of a batch at `model`, of which what may be permuted is trained from here on.
pub(super) fn slope<T: Task>(
    model: &mut T::Model,
    (task, batch): (&T, BatchOf<T>),
    spec: &PermutationSpec,
    Asked { step, learning_rate, .. }: Asked,
) -> Result<Slope, Error> {
    for parameter in model.parameters_mut() {
        if spec.is_permuted(parameter.path()) {
            let value = parameter.weight.dense()?;
            parameter.weight = Box::new(Dense::trained(&value));
        }
    }
    // Models as they are read draw nothing.
    let gradient = gradient::<T>(&*model, task, &[batch], &Rng::new(0), false)?;
    if gradient.targets == 0 {
        return Err(Error::NoTargets { step });
    }
    gradient.check(gradient.norm(), step, learning_rate)?;
    let mut slope = Slope::new();
    let parameters = model.parameters().into_iter().filter(|parameter| spec.is_permuted(parameter.path()));
    for (parameter, leaf) in parameters.zip(gradient.leaves) {
        if let Some(leaf) = leaf {
            slope.push((parameter.path().to_owned(), parameter.in_file(&leaf)?));
        }
    }
    Ok(slope)
}
