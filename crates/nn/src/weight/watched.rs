//! A weight whose inputs are shown to an observer:
//!
//!     y = x·wᵀ as before, and the observer sees every x        w: [out, in]  x: [t, in]
//!
//! For calibration: put on for some forward passes, then taken off. It changes no number.

use super::{Dense, Factors, Leaf, Leaves, Scope, Weight};
use crate::Result;
use rankine_tensor::{
    Frozen, Tensor,
    ops::{self, Activation},
};
use std::{any::Any, sync::Arc};

/// Hears of what a weight is applied to.
pub trait Observe: Send + Sync {
    /// The weight is applied to x; [t, in].
    fn see(&self, x: &Tensor);
}

/// A weight with an observer in front of it.
pub struct Watched {
    inner: Box<dyn Weight>,
    observer: Arc<dyn Observe>,
}

impl Watched {
    /// Puts an observer in front of a weight.
    pub fn put_on(weight: &mut Box<dyn Weight>, observer: Arc<dyn Observe>) {
        let inner = std::mem::replace(weight, nothing());
        *weight = Box::new(Self { inner, observer });
    }

    /// Takes the observer away, where there is one.
    pub fn take_off(weight: &mut Box<dyn Weight>) {
        let any: &mut dyn Any = &mut **weight;
        if let Some(watched) = any.downcast_mut::<Self>() {
            let inner = std::mem::replace(&mut watched.inner, nothing());
            *weight = inner;
        }
    }
}

/// What stands in the place of a weight while it moves.
fn nothing() -> Box<dyn Weight> {
    Box::new(Dense::frozen(Tensor::zeros(&[1])))
}

impl Leaves for Watched {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        self.inner.leaves(visit);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        self.inner.leaves_mut(visit);
    }
}

impl Weight for Watched {
    fn dense(&self) -> Result<Tensor> {
        self.inner.dense()
    }

    fn constant(&self) -> Result<Frozen> {
        self.inner.constant()
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.apply(x, scope)
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.affine(x, bias, activation, scope)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        self.inner.rows(ids)
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.losses(x, targets)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        self.observer.see(x);
        self.inner.score(x, targets)
    }

    fn penalty(&self) -> Result<Option<Tensor>> {
        self.inner.penalty()
    }

    fn update(&self) -> Option<Factors> {
        self.inner.update()
    }

    fn magnitude(&self) -> Option<Vec<f32>> {
        self.inner.magnitude()
    }

    fn residual(&self) -> Option<(Frozen, Factors)> {
        self.inner.residual()
    }
}
