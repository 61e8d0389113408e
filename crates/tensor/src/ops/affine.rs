//! y = f(x·wᵀ + b), with x: [t, in], w: [out, in], b: [out], y: [t, out], f: none or relu
//!
//! Backward, with dz = dy ∘ f′ read off y: dx = dz·w, dw = dzᵀ·x, db = Σ_rows dz. One node of the tape for a layer of a
//! perceptron.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record_array},
    tensor::flex,
};
use burn::backend::flex::FlexTensor;
pub use rankine_kernels::affine::Activation;
use rankine_kernels::gemm::{Matrix, matmul};

/// f(x·wᵀ + b); x: [t, in], weight: [out, in], bias: [out] → [t, out].
pub fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let sizes = sizes(x, weight, bias)?;
    let Some([x_array, w_array, b_array]) = arrays([x, weight, bias]) else {
        return plain(x, weight, bias, activation);
    };
    let (t, inputs, outputs) = sizes;
    let mut y = vec![0.0; t * outputs];
    let w = Matrix::new(numbers(&w_array), outputs, inputs);
    matmul(&mut y, Matrix::new(numbers(&x_array), t, inputs), w.t(), 1.0, false);
    activation.apply(&mut y, numbers(&b_array));
    let y = flex(y, &[t, outputs]);
    let kept = y.clone();
    let save = || Saved { x: x_array, weight: w_array, y: kept, activation, sizes };
    Ok(record_array([x, weight, bias], y, save))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let (_, _, outputs) = sizes(x, weight, bias)?;
    let z = x.matmul(&weight.t()?)?.add(&bias.reshape(&[1, outputs])?)?;
    Ok(match activation {
        Activation::None => z,
        Activation::Relu => z.relu(),
    })
}

fn sizes(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<(usize, usize, usize)> {
    let ([t, inputs], [outputs, columns]) = (x.matrix("affine")?, weight.matrix("affine")?);
    if inputs != columns || bias.shape() != [outputs] {
        let found: [&[usize]; 3] = [&[t, inputs], &[outputs, columns], &bias.shape()];
        return Err(Error::shape("affine", "x: [t, in], w: [out, in] and b: [out]", &found));
    }
    Ok((t, inputs, outputs))
}

#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    y: FlexTensor,
    activation: Activation,
    sizes: (usize, usize, usize),
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (t, inputs, outputs) = self.sizes;
        let mut db = vec![0.0; outputs];
        let masked = self.activation.backward(numbers(&self.y), output, &mut db);
        let dz = Matrix::new(masked.as_deref().unwrap_or(output), t, outputs);
        let dx = needed[0].then(|| {
            let mut dx = vec![0.0; t * inputs];
            matmul(&mut dx, dz, Matrix::new(numbers(&self.weight), outputs, inputs), 1.0, false);
            dx
        });
        let dw = needed[1].then(|| {
            let mut dw = vec![0.0; outputs * inputs];
            matmul(&mut dw, dz.t(), Matrix::new(numbers(&self.x), t, inputs), 1.0, false);
            dw
        });
        vec![dx, dw, Some(db)]
    }
}
