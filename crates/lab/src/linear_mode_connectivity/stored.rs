//! Networks as tensors under the names of a file, which is what is aligned and interpolated.

use crate::{
    Images, Result,
    language::Held,
    transfer::{self, Network, Rates, Setting},
};
use rankine_checkpoint::{Bare, Tensors};
use rankine_nn::{models::Mlp, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};
use rankine_train::AdamW;

/// A network that is written to tensors and read from them.
pub(super) trait Stored: Network {
    /// All that a file would hold.
    fn held(&self) -> Result<Held> {
        Held::of(self, &|_| true)
    }

    /// The network of these tensors, all of it trained; `sizes` are pixels and classes.
    fn read(setting: &Setting, sizes: [usize; 2], tensors: &dyn Tensors) -> Result<Self>;

    /// Counts anew what norms keep of the images that they see.
    fn reset(&mut self, images: &Images) -> Result<()>;
}

/// There are no norms.
impl Stored for Mlp {
    fn read(setting: &Setting, sizes: [usize; 2], tensors: &dyn Tensors) -> Result<Self> {
        read_parameters(setting, sizes, tensors)
    }

    fn reset(&mut self, _: &Images) -> Result<()> {
        Ok(())
    }
}

/// A network with its parameters from these tensors.
pub(super) fn read_parameters<N: Network>(
    setting: &Setting,
    [width, classes]: [usize; 2],
    tensors: &dyn Tensors,
) -> Result<N> {
    let mut model = N::build(setting, width, classes, &Rng::new(0))?;
    for parameter in model.parameters_mut() {
        let shape = untaped(|| parameter.weight.dense())?.shape();
        let value = read_tensor(tensors, parameter.path(), &shape)?;
        parameter.weight = Box::new(Dense::trained(&value));
    }
    Ok(model)
}

/// One of the tensors, which is known to have this shape.
pub(super) fn read_tensor(tensors: &dyn Tensors, name: &str, shape: &[usize]) -> Result<Tensor> {
    let mut values = vec![0.0; shape.iter().product()];
    tensors.read_into(name, &mut values)?;
    Ok(Tensor::new(values, shape)?)
}

/// How networks are trained.
#[derive(Clone)]
pub(super) struct Training {
    /// Sizes, steps, batch and learning rate, which is that of the head.
    pub setting: Setting,
    /// Weight decay of AdamW.
    pub decay: f32,
}

impl Training {
    /// A network with a start and an order of images of its own, as tensors that are called `name`.
    pub fn run<N: Stored>(&self, name: &str, images: &Images, rng: &Rng) -> Result<Bare> {
        let (setting, rng) = (&self.setting, rng.fork(name));
        let sizes = [images.width, transfer::classes(images)];
        let mut model = N::build(setting, sizes[0], sizes[1], &rng.fork("start"))?;
        let rates = Rates { hidden: setting.head_rate, head: setting.head_rate };
        let order = rng.fork("order");
        let steps = images.steps(setting.batch, &order).take(setting.steps);
        let batches = steps.map(|rows| images.batch(&rows));
        let mut optimizer = AdamW::new(0.9, 0.999, self.decay);
        let losses = transfer::follow(&mut model, batches, &mut optimizer, rates)?;
        transfer::finite(&losses, rates)?;
        model.reset(images)?;
        Ok(Bare::new(name, Box::new(model.held()?)))
    }

    /// Three that were trained apart; `watch` is told of each, and that it is of `place`.
    pub fn three<N: Stored>(
        &self,
        place: &str,
        images: &Images,
        rng: &Rng,
        watch: &mut dyn FnMut(&str),
    ) -> Result<[Bare; 3]> {
        let mut train = |name: &str| {
            watch(&format!("{place}: training the {name} network"));
            self.run::<N>(name, images, rng)
        };
        Ok([train("first")?, train("second")?, train("third")?])
    }
}
