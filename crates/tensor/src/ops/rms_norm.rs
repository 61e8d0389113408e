//! y = x / √(mean(x²) + ε) ∘ w, row by row; x, y: [t, d], w: [d]

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::norm;

/// Root-mean-square norm of every row; x: [t, d], weight: [d] → [t, d].
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    let shape = check(x, weight)?;
    let Some([x_array, w_array]) = arrays([x, weight]) else {
        return plain(x, weight, epsilon);
    };
    let normed = move |x: &FlexTensor, weight: &FlexTensor| {
        let (x, weight) = (numbers(x), numbers(weight));
        let (mut y, mut inverse) = (vec![0.0; x.len()], vec![0.0; shape[0]]);
        norm::rms_norm(x, weight, epsilon, &mut y, &mut inverse);
        (y, inverse)
    };
    let (y, inverse) = normed(&x_array, &w_array);
    let inputs = (x_array.clone(), w_array.clone());
    let y = record([x, weight], y, &shape, || Saved { x: x_array, weight: w_array, inverse });
    Ok(y.made_by(move || normed(&inputs.0, &inputs.1).0))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    let [_, width] = check(x, weight)?;
    let inverse = x.mul(x)?.mean_axis(1)?.shift(epsilon).sqrt().recip();
    x.mul(&inverse)?.mul(&weight.reshape(&[1, width])?)
}

fn check(x: &Tensor, weight: &Tensor) -> Result<[usize; 2]> {
    let shape = x.matrix("rms_norm")?;
    if weight.shape() != [shape[1]] {
        return Err(Error::shape("rms_norm", "x: [t, d] and w: [d]", &[&shape, &weight.shape()]));
    }
    Ok(shape)
}

#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    inverse: Vec<f32>,
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (x, weight) = (numbers(&self.x), numbers(&self.weight));
        let mut dx = vec![0.0; x.len()];
        let mut dw = needed[1].then(|| vec![0.0; weight.len()]);
        norm::rms_norm_backward(x, weight, &self.inverse, output, &mut dx, dw.as_deref_mut());
        vec![Some(dx), dw]
    }
}
