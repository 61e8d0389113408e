//! The weight and its structures.

mod around;
mod dense;
mod factored;
mod gated;
mod low_rank;
mod magnitude;
mod patches;
mod probed;
mod singular;
mod tucker;
mod watched;

pub use dense::Dense;
pub use factored::{Distance, Factored};
pub use gated::Gated;
pub use low_rank::LowRank;
pub use magnitude::Magnitude;
pub use patches::Patches;
pub use probed::{Listen, Probe, Probed};
pub use singular::{Relu, Singular};
pub use tucker::Tucker;
pub use watched::{Observe, Watched};

use crate::Result;
use rankine_random::Rng;
use rankine_tensor::{
    Frozen, Tensor, Var,
    ops::{self, Activation, Convolution},
};
use std::{any::Any, sync::Arc};

/// One named tensor of a weight: trained, or kept as it was.
#[derive(Debug)]
pub enum Leaf {
    /// Changed by the optimizer.
    Trained(Var),
    /// Never changed.
    Frozen(Frozen),
}

impl Leaf {
    /// The current value.
    pub fn tensor(&self) -> Tensor {
        match self {
            Self::Trained(variable) => variable.tensor(),
            Self::Frozen(constant) => constant.tensor(),
        }
    }

    /// The current value as a constant, in its storage type where it has one.
    pub fn constant(&self) -> Frozen {
        match self {
            Self::Trained(variable) => variable.tensor().detach().into(),
            Self::Frozen(constant) => constant.clone(),
        }
    }

    /// The variable, when it is trained.
    pub fn trained(&self) -> Option<&Var> {
        match self {
            Self::Trained(variable) => Some(variable),
            Self::Frozen(_) => None,
        }
    }

    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        match self {
            Self::Trained(variable) => variable.tensor().elements(),
            Self::Frozen(constant) => constant.elements(),
        }
    }
}

/// Something built from named leaves.
pub trait Leaves {
    /// Every leaf with its name, in a fixed order.
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf));
    /// The same, to change them.
    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf));
}

/// Where in a forward pass a weight is applied: the source of its random draws while training.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Stream of this step; `None` when nothing may be random (evaluation).
    pub rng: Option<&'a Rng>,
    /// Path of the weight.
    pub path: &'a str,
}

impl Scope<'_> {
    /// No randomness.
    pub const QUIET: Self = Self { rng: None, path: "" };

    /// The weight's own stream of this step, while training.
    pub fn draw(&self) -> Option<Rng> {
        self.rng.map(|rng| rng.fork(self.path))
    }
}

/// A change of a weight as a product of two thin matrices: ΔW = b·a.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// [r, in].
    pub a: Vec<f32>,
    /// [out, r], the scale folded in nowhere: ΔW = scale·b·a.
    pub b: Vec<f32>,
    /// r.
    pub rank: usize,
    /// Factor of the product.
    pub scale: f32,
}

/// A weight of shape [out, in] (of any shape where only `dense` is asked for) that knows how it is built from its leaves.
pub trait Weight: Leaves + Any + Send + Sync {
    /// The effective weight; [out, in] (or [d] for a norm or a bias, [out, in, height, width] for a convolution).
    fn dense(&self) -> Result<Tensor>;

    /// The effective weight as a constant, in its storage type where it has one.
    fn constant(&self) -> Result<Frozen> {
        Ok(self.dense()?.detach().into())
    }

    /// x·denseᵀ; x: [t, in] → [t, out].
    fn apply(&self, x: &Tensor, _scope: Scope<'_>) -> Result<Tensor> {
        Ok(ops::linear(x, &self.dense()?)?)
    }

    /// f(x·denseᵀ + bias); x: [t, in], bias: [out] → [t, out].
    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        affine(self, x, bias, activation, scope)
    }

    /// pool(f((factor ∘ w) ⋆ x + bias)), where the weight is the taps of a convolution; x: [n, c, h, w], factor and bias: [k],
    /// one for every output → [n, k, i, j].
    fn convolve(
        &self,
        x: &Tensor,
        factor: Option<&Tensor>,
        bias: Option<&Tensor>,
        layout: &Convolution,
    ) -> Result<Tensor> {
        convolve(x, &self.dense()?, (factor, bias), layout)
    }

    /// Rows of the dense weight, as a table; [ids, in].
    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        Ok(ops::embedding(&self.dense()?, ids)?)
    }

    /// Cross-entropy of every row when this is the output head; x: [t, in], targets: [t] → [t].
    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        Ok(ops::losses(x, &self.dense()?, targets)?)
    }

    /// Losses and most probable tokens when this is the output head, off the tape; x: [t, in], targets: [t].
    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        Ok(ops::score(x, &self.dense()?, targets)?)
    }

    /// What the weight itself adds to the loss; shape [1]. A model adds the mean over its weights: [`penalty`](crate::penalty).
    fn penalty(&self) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// What was learnt, relative to the weight the method was attached to, where that is exactly low rank.
    fn update(&self) -> Option<Factors> {
        None
    }

    /// Lengths that the rows of the weight plus its update are brought to, where they are trained; [out].
    fn magnitude(&self) -> Option<Vec<f32>> {
        None
    }

    /// Where the branch stands beside something else than the original weight, what is left of that without the branch, or
    /// that rounded: this base in its storage type, and the branch as it is now.
    fn residual(&self) -> Option<(Frozen, Factors)> {
        None
    }
}

/// f(x·denseᵀ + bias) by way of `apply`.
fn affine<W: Weight + ?Sized>(
    weight: &W,
    x: &Tensor,
    bias: &Tensor,
    activation: Activation,
    scope: Scope<'_>,
) -> Result<Tensor> {
    let y = weight.apply(x, scope)?.add(&bias.reshape(&[1, bias.elements()])?)?;
    Ok(match activation {
        Activation::None => y,
        Activation::Relu => y.relu(),
    })
}

/// pool(f((factor ∘ taps) ⋆ x + bias)) with taps as one array; [k, c/groups, r, s].
fn convolve(
    x: &Tensor,
    taps: &Tensor,
    (factor, bias): (Option<&Tensor>, Option<&Tensor>),
    layout: &Convolution,
) -> Result<Tensor> {
    let Some(factor) = factor else {
        return Ok(ops::conv2d(x, taps, bias, layout)?);
    };
    let taps = taps.mul(&factor.reshape(&[factor.elements(), 1, 1, 1])?)?;
    Ok(ops::conv2d(x, &taps, bias, layout)?)
}

/// Inverted dropout of a branch's input while training: kept entries are divided by the probability of keeping.
fn dropped(x: &Tensor, probability: f32, scope: Scope<'_>) -> Result<Option<Tensor>> {
    let Some(mut rng) = scope.draw().filter(|_| probability > 0.0) else {
        return Ok(None);
    };
    let keep = 1.0 - probability;
    let mask = (0..x.elements()).map(|_| if rng.uniform() < keep { keep.recip() } else { 0.0 }).collect();
    Ok(Some(x.mul(&Tensor::new(mask, &x.shape())?)?))
}

/// How many numbers of `weight` are trained, and how many it holds in all.
pub fn counts(weight: &dyn Weight) -> (usize, usize) {
    let (mut trained, mut all) = (0, 0);
    weight.leaves(&mut |_, leaf| {
        all += leaf.elements();
        trained += leaf.trained().map_or(0, |_| leaf.elements());
    });
    (trained, all)
}
