//! y = x·Φ(x), and the form with tanh: y = x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2; any shape

use super::numbers;
use crate::{
    Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::gelu::Gelu;

/// x·Φ(x), with the error function.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    fused(Gelu::Exact, x)
}

/// The form with tanh, of GPT-2 and others.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    fused(Gelu::Tanh, x)
}

fn fused(form: Gelu, x: &Tensor) -> Result<Tensor> {
    let Some([array]) = arrays([x]) else {
        return match form {
            Gelu::Exact => plain(x),
            Gelu::Tanh => plain_tanh(x),
        };
    };
    let saved = Saved { form, x: array };
    let (input, y) = (saved.clone(), saved.output());
    Ok(record([x], y, &x.shape(), || saved).made_by(move || input.output()))
}

/// [`gelu`] from backend operations.
pub fn plain(x: &Tensor) -> Result<Tensor> {
    x.mul(&x.scale(std::f32::consts::FRAC_1_SQRT_2).erf().shift(1.0).scale(0.5))
}

/// [`gelu_tanh`] from backend operations.
pub fn plain_tanh(x: &Tensor) -> Result<Tensor> {
    let cubed = x.mul(x)?.mul(x)?.scale(0.044_715);
    let root = std::f32::consts::FRAC_2_PI.sqrt();
    x.mul(&x.add(&cubed)?.scale(root).tanh().shift(1.0).scale(0.5))
}

#[derive(Clone, Debug)]
struct Saved {
    form: Gelu,
    x: FlexTensor,
}

impl Saved {
    fn output(&self) -> Vec<f32> {
        let x = numbers(&self.x);
        let mut y = vec![0.0; x.len()];
        self.form.forward(x, &mut y);
        y
    }
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let x = numbers(&self.x);
        let mut dx = vec![0.0; x.len()];
        self.form.backward(x, output, &mut dx);
        vec![Some(dx)]
    }
}
