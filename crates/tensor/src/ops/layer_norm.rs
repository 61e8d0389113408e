//! y = (x − mean(x)) / √(var(x) + ε) ∘ w + b, row by row; x, y: [t, d], w, b: [d]

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::layer_norm as kernel;

/// Layer norm of every row; x: [t, d], weight and bias: [d] → [t, d].
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let shape = check(x, weight, bias)?;
    let Some(inputs) = arrays([x, weight, bias]) else {
        return plain(x, weight, bias, epsilon);
    };
    let normed = move |[x, weight, bias]: [&FlexTensor; 3]| {
        let (x, weight, bias) = (numbers(x), numbers(weight), numbers(bias));
        let (mut y, mut moments) = (vec![0.0; x.len()], vec![[0.0; 2]; shape[0]]);
        kernel::layer_norm(x, weight, bias, epsilon, &mut y, &mut moments);
        (y, moments)
    };
    let (y, moments) = normed(inputs.each_ref());
    let save = || Saved { x: inputs[0].clone(), weight: inputs[1].clone(), moments };
    let y = record([x, weight, bias], y, &shape, save);
    Ok(y.made_by(move || normed(inputs.each_ref()).0))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let [_, width] = check(x, weight, bias)?;
    let centred = x.sub(&x.mean_axis(1)?)?;
    let inverse = centred.mul(&centred)?.mean_axis(1)?.shift(epsilon).sqrt().recip();
    let row = |vector: &Tensor| vector.reshape(&[1, width]);
    centred.mul(&inverse)?.mul(&row(weight)?)?.add(&row(bias)?)
}

fn check(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<[usize; 2]> {
    let shape = x.matrix("layer_norm")?;
    let (weight, bias) = (weight.shape(), bias.shape());
    if weight != [shape[1]] || bias != [shape[1]] {
        return Err(Error::shape("layer_norm", "x: [t, d], w: [d] and b: [d]", &[&shape, &weight, &bias]));
    }
    Ok(shape)
}

#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    moments: Vec<[f32; 2]>,
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (x, w) = (numbers(&self.x), numbers(&self.weight));
        let mut gradients = [(0, x.len()), (1, w.len()), (2, w.len())]
            .map(|(input, length)| needed[input].then(|| vec![0.0; length]));
        let [dx, dw, db] = gradients.each_mut().map(Option::as_deref_mut);
        let saved = kernel::Saved { x, w, moments: &self.moments };
        kernel::layer_norm_backward(saved, output, kernel::Gradients { dx, dw, db });
        gradients.into()
    }
}
