//! A weight whose inputs and outputs can be derived by:
//!
//!     y = (x + z)·wᵀ + u        w: [out, in]  x, z: [t, in]  u: [t, out]
//!
//! z and u are 0 and variables, so that their gradients are those of x and y; z may be something else, for gradients
//! elsewhere than at x. Put on for some passes, then taken off; where z is 0 it changes no number. Of a convolution,
//! x: [n, c, h, w], the inputs alone.

use super::{
    Leaves, Scope, Weight,
    around::{self, handed_on},
};
use crate::Result;
use rankine_tensor::{
    Gradients, Tensor, Var,
    ops::{self, Activation, Convolution},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Rows of z, where it is not 0; [t, in], of maps of images [n·h·w, c].
    shift: Option<Vec<f32>>,
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

    /// Adds rows to inputs that can be derived by, until it listens anew; [t, in], of maps of images [n·h·w, c].
    pub fn shift(&self, rows: &[f32]) {
        self.lock().shift = Some(rows.to_vec());
    }

    /// What the weight was applied to in the last pass, before anything was added, where it was kept.
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
            true => {
                let start = match &state.shift {
                    Some(rows) => laid_out(rows, x)?,
                    None => Tensor::zeros(&x.shape()),
                };
                added(x, &start, &mut state.before)
            }
            false => Ok(x.clone()),
        }
    }

    /// y + u.
    fn leave(&self, y: Tensor) -> Result<Tensor> {
        let mut state = self.lock();
        match state.listen.by_outputs {
            true => added(&y, &Tensor::zeros(&y.shape()), &mut state.behind),
            false => Ok(y),
        }
    }
}

/// The sum with a variable.
fn added(x: &Tensor, start: &Tensor, place: &mut Option<Var>) -> Result<Tensor> {
    let variable = Var::from_tensor(start);
    let sum = x.add(&variable.tensor())?;
    *place = Some(variable);
    Ok(sum)
}

/// Rows in the layout of x.
fn laid_out(rows: &[f32], x: &Tensor) -> Result<Tensor> {
    let shape = x.shape();
    Ok(match *shape.as_slice() {
        [images, channels, height, width] => {
            Tensor::new(rows.to_vec(), &[images, height, width, channels])?.permute(&[0, 3, 1, 2])?
        }
        _ => Tensor::new(rows.to_vec(), &shape)?,
    })
}

/// A weight with a probe.
pub struct Probed {
    inner: Box<dyn Weight>,
    probe: Arc<Probe>,
}

impl Probed {
    /// Puts a probe on a weight.
    pub fn put_on(weight: &mut Box<dyn Weight>, probe: Arc<Probe>) {
        around::put_on(weight, |inner| Self { inner, probe });
    }

    /// Takes the probe away, where there is one.
    pub fn take_off(weight: &mut Box<dyn Weight>) {
        around::take_off(weight, |probed: &mut Self| &mut probed.inner);
    }
}

impl Leaves for Probed {
    handed_on!(leaves);
}

impl Weight for Probed {
    handed_on!(weight);

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

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        self.inner.losses(&self.probe.enter(x)?, targets)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        self.inner.score(x, targets)
    }
}
