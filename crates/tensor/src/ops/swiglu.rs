//! y = silu(gate) ∘ up, silu(x) = x/(1 + e⁻ˣ); all [t, f]

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::swiglu as kernel;

/// silu(gate) ∘ up; both [t, f] → [t, f].
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let shape = check(gate, up)?;
    let Some([gate_array, up_array]) = arrays([gate, up]) else {
        return plain(gate, up);
    };
    let saved = Saved { gate: gate_array, up: up_array };
    let (inputs, y) = (saved.clone(), saved.output());
    Ok(record([gate, up], y, &shape, || saved).made_by(move || inputs.output()))
}

/// The same from backend operations.
pub fn plain(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    check(gate, up)?;
    gate.mul(&gate.sigmoid())?.mul(up)
}

fn check(gate: &Tensor, up: &Tensor) -> Result<Vec<usize>> {
    let (gate, up) = (gate.shape(), up.shape());
    if gate != up {
        return Err(Error::shape("swiglu", "two equal shapes", &[&gate, &up]));
    }
    Ok(gate)
}

#[derive(Clone, Debug)]
struct Saved {
    gate: FlexTensor,
    up: FlexTensor,
}

impl Saved {
    fn output(&self) -> Vec<f32> {
        let (gate, up) = (numbers(&self.gate), numbers(&self.up));
        let mut y = vec![0.0; gate.len()];
        kernel::swiglu(gate, up, &mut y);
        y
    }
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (gate, up) = (numbers(&self.gate), numbers(&self.up));
        let (mut dgate, mut dup) = (vec![0.0; gate.len()], vec![0.0; up.len()]);
        kernel::swiglu_backward(gate, up, output, &mut dgate, &mut dup);
        vec![Some(dgate), Some(dup)]
    }
}
