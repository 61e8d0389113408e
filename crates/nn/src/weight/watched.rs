//! A weight whose inputs are shown to an observer:
//!
//!     y = x·wᵀ as before, and the observer sees every x        w: [out, in]  x: [t, in]
//!
//! For calibration: put on for some forward passes, then taken off. It changes no number. A convolution multiplies its taps
//! with what lies under its kernel: the observer sees these [`Patches`].

use super::{
    Leaves, Patches, Scope, Weight,
    around::{self, handed_on},
};
use crate::Result;
use rankine_tensor::{
    Tensor,
    ops::{self, Activation, Convolution},
};
use std::sync::Arc;

/// Hears of what a weight is applied to.
pub trait Observe: Send + Sync {
    /// The weight is applied to x; [t, in].
    fn see(&self, x: &Tensor);

    /// The weight's taps, [out, c, r, s], are applied to these; where it has groups, `patches` are those of all channels.
    ///
    /// # Errors
    /// When they cannot be unfolded.
    fn see_patches(&self, patches: &Patches) -> Result<()> {
        self.see(&patches.rows()?);
        Ok(())
    }
}

/// A weight with an observer in front of it.
pub struct Watched {
    inner: Box<dyn Weight>,
    observer: Arc<dyn Observe>,
}

impl Watched {
    /// Puts an observer in front of a weight.
    pub fn put_on(weight: &mut Box<dyn Weight>, observer: Arc<dyn Observe>) {
        around::put_on(weight, |inner| Self { inner, observer });
    }

    /// Takes the observer away, where there is one.
    pub fn take_off(weight: &mut Box<dyn Weight>) {
        around::take_off(weight, |watched: &mut Self| &mut watched.inner);
    }
}

impl Leaves for Watched {
    handed_on!(leaves);
}

impl Weight for Watched {
    handed_on!(weight);

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.apply(x, scope)
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.affine(x, bias, activation, scope)
    }

    fn convolve(
        &self,
        x: &Tensor,
        factor: Option<&Tensor>,
        bias: Option<&Tensor>,
        layout: &Convolution,
    ) -> Result<Tensor> {
        if let Some(patches) = Patches::new(x, &self.inner.constant()?.shape(), layout) {
            self.observer.see_patches(&patches)?;
        }
        self.inner.convolve(x, factor, bias, layout)
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        self.observer.see(x);
        self.inner.losses(x, targets)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        self.observer.see(x);
        self.inner.score(x, targets)
    }
}
