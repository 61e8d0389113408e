//! Trained variables, and the gradients of one backward pass.

use crate::{Result, Tensor};
use burn::backend::{AutodiffBackend, Dispatch, ops::FloatTensorOps};
use std::cell::Cell;

thread_local! {
    /// Whether variables enter the tape of this thread.
    static TAPING: Cell<bool> = const { Cell::new(true) };
}

/// Runs `work` with every variable off the tape: nothing is recorded and nothing is kept for a backward pass.
pub fn untaped<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TAPING.set(self.0);
        }
    }
    let _restore = Restore(TAPING.replace(false));
    work()
}

/// A tensor that is trained: a leaf of the tape whose gradient is kept.
#[derive(Debug)]
pub struct Var {
    tensor: Tensor,
}

impl Var {
    /// A variable that starts at row-major `values`.
    pub fn new(values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        Ok(Self::from_tensor(&Tensor::new(values, shape)?))
    }

    /// A variable that starts at the numbers of `tensor`.
    pub fn from_tensor(tensor: &Tensor) -> Self {
        let tracked = Dispatch::from_inner(tensor.detach().handle);
        Self { tensor: Tensor::from_handle(Dispatch::float_set_require_grad(tracked, true)) }
    }

    /// The current value: on the tape, or off it inside [`untaped`].
    pub fn tensor(&self) -> Tensor {
        if TAPING.get() { self.tensor.clone() } else { self.tensor.detach() }
    }

    /// Changes the numbers in place; they are copied only where something else still holds them.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut [f32]) -> R) -> R {
        let taken = std::mem::replace(&mut self.tensor, Tensor::zeros(&[1]));
        let mut inner = taken.detach();
        drop(taken);
        let result = inner.update(change);
        *self = Self::from_tensor(&inner);
        result
    }
}

/// The gradients of one backward pass.
pub struct Gradients {
    inner: <Dispatch as AutodiffBackend>::Gradients,
}

impl Gradients {
    pub(crate) fn new(inner: <Dispatch as AutodiffBackend>::Gradients) -> Self {
        Self { inner }
    }

    /// The gradient of `variable`, of its shape; `None` when the loss does not depend on it.
    pub fn of(&self, variable: &Var) -> Option<Tensor> {
        Dispatch::grad(&variable.tensor.handle, &self.inner).map(Tensor::from_handle)
    }
}
