//! What weights around another weight share: how they are put on and taken off, and what they hand on as it is.

use super::{Dense, Weight};
use rankine_tensor::Tensor;
use std::any::Any;

/// Puts something around a weight.
pub(super) fn put_on<W: Weight>(weight: &mut Box<dyn Weight>, around: impl FnOnce(Box<dyn Weight>) -> W) {
    let inner = std::mem::replace(weight, nothing());
    *weight = Box::new(around(inner));
}

/// Takes it away, where it is there.
pub(super) fn take_off<W: Weight>(
    weight: &mut Box<dyn Weight>,
    inner: impl FnOnce(&mut W) -> &mut Box<dyn Weight>,
) {
    let any: &mut dyn Any = &mut **weight;
    if let Some(around) = any.downcast_mut::<W>() {
        let inner = std::mem::replace(inner(around), nothing());
        *weight = inner;
    }
}

/// What stands in the place of a weight while it moves.
fn nothing() -> Box<dyn Weight> {
    Box::new(Dense::frozen(Tensor::zeros(&[1])))
}

/// What `self.inner` does as it is: all of `Leaves`, and what in `Weight` is not about inputs.
macro_rules! handed_on {
    (leaves) => {
        fn leaves(&self, visit: &mut dyn FnMut(&str, &$crate::Leaf)) {
            self.inner.leaves(visit);
        }

        fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut $crate::Leaf)) {
            self.inner.leaves_mut(visit);
        }
    };
    (weight) => {
        fn dense(&self) -> $crate::Result<rankine_tensor::Tensor> {
            self.inner.dense()
        }

        fn constant(&self) -> $crate::Result<rankine_tensor::Frozen> {
            self.inner.constant()
        }

        fn rows(&self, ids: &std::sync::Arc<[u32]>) -> $crate::Result<rankine_tensor::Tensor> {
            self.inner.rows(ids)
        }

        fn penalty(&self) -> $crate::Result<Option<rankine_tensor::Tensor>> {
            self.inner.penalty()
        }

        fn update(&self) -> Option<$crate::Factors> {
            self.inner.update()
        }

        fn magnitude(&self) -> Option<Vec<f32>> {
            self.inner.magnitude()
        }

        fn residual(&self) -> Option<(rankine_tensor::Frozen, $crate::Factors)> {
            self.inner.residual()
        }
    };
}

pub(super) use handed_on;
