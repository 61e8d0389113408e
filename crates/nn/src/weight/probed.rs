//! A weight whose inputs and outputs can be derived by:
//!
//!     y = (x + z)·wᵀ + u        w: [out, in]  x, z: [t, in]  u: [t, out]
//!
//! z and u are 0 and variables, so that their gradients are those of x and y. Put on for some passes, then taken off; it
//! changes no number. Of a convolution, x: [n, c, h, w], the inputs alone.

use super::{Dense, Factors, Leaf, Leaves, Scope, Weight};
use crate::Result;
use rankine_tensor::{
    Frozen, Gradients, Tensor, Var,
    ops::{self, Activation, Convolution},
};
use std::{
    any::Any,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a probe does in a pass; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// Keeps what the weight is applied to, on the tape where it is.
    pub inputs: bool,
    /// The inputs can be derived by.
    pub by_inputs: bool,
    /// The outputs can be derived by.
    pub by_outputs: bool,
}

/// The other end of a probed weight.
#[derive(Default)]
pub struct Probe(Mutex<State>);

#[derive(Default)]
struct State {
    listen: Listen,
    inputs: Option<Tensor>,
    /// z.
    before: Option<Var>,
    /// u.
    behind: Option<Var>,
}

impl Probe {
    /// What it does in the passes from here on; forgets what was before.
    pub fn listen(&self, listen: Listen) {
        *self.lock() = State { listen, ..State::default() };
    }

    /// What the weight was applied to in the last pass, where it was kept.
    pub fn inputs(&self) -> Option<Tensor> {
        self.lock().inputs.clone()
    }

    /// Gradients by inputs and outputs, where something that was derived depends on them.
    pub fn gradients(&self, gradients: &Gradients) -> [Option<Tensor>; 2] {
        let state = self.lock();
        [&state.before, &state.behind].map(|variable| gradients.of(variable.as_ref()?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// x + z.
    fn enter(&self, x: &Tensor) -> Result<Tensor> {
        let mut state = self.lock();
        if state.listen.inputs {
            state.inputs = Some(x.clone());
        }
        match state.listen.by_inputs {
            true => added(x, &mut state.before),
            false => Ok(x.clone()),
        }
    }

    /// y + u.
    fn leave(&self, y: Tensor) -> Result<Tensor> {
        let mut state = self.lock();
        if state.listen.by_outputs { added(&y, &mut state.behind) } else { Ok(y) }
    }
}

/// The sum with a variable that is 0.
fn added(x: &Tensor, place: &mut Option<Var>) -> Result<Tensor> {
    let zero = Var::from_tensor(&Tensor::zeros(&x.shape()));
    let sum = x.add(&zero.tensor())?;
    *place = Some(zero);
    Ok(sum)
}

/// A weight with a probe.
pub struct Probed {
    inner: Box<dyn Weight>,
    probe: Arc<Probe>,
}

impl Probed {
    /// Puts a probe on a weight.
    pub fn put_on(weight: &mut Box<dyn Weight>, probe: Arc<Probe>) {
        let inner = std::mem::replace(weight, nothing());
        *weight = Box::new(Self { inner, probe });
    }

    /// Takes the probe away, where there is one.
    pub fn take_off(weight: &mut Box<dyn Weight>) {
        let any: &mut dyn Any = &mut **weight;
        if let Some(probed) = any.downcast_mut::<Self>() {
            let inner = std::mem::replace(&mut probed.inner, nothing());
            *weight = inner;
        }
    }
}

/// What stands in the place of a weight while it moves.
fn nothing() -> Box<dyn Weight> {
    Box::new(Dense::frozen(Tensor::zeros(&[1])))
}

impl Leaves for Probed {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        self.inner.leaves(visit);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        self.inner.leaves_mut(visit);
    }
}

impl Weight for Probed {
    fn dense(&self) -> Result<Tensor> {
        self.inner.dense()
    }

    fn constant(&self) -> Result<Frozen> {
        self.inner.constant()
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        self.probe.leave(self.inner.apply(&self.probe.enter(x)?, scope)?)
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        let x = self.probe.enter(x)?;
        let y = self.probe.leave(self.inner.affine(&x, bias, Activation::None, scope)?)?;
        Ok(match activation {
            Activation::None => y,
            Activation::Relu => y.relu(),
        })
    }

    fn convolve(
        &self,
        x: &Tensor,
        factor: Option<&Tensor>,
        bias: Option<&Tensor>,
        layout: &Convolution,
    ) -> Result<Tensor> {
        self.inner.convolve(&self.probe.enter(x)?, factor, bias, layout)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        self.inner.rows(ids)
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        self.inner.losses(&self.probe.enter(x)?, targets)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
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
