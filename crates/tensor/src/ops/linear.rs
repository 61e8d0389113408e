//! y = x·wᵀ, with x: [t, in], w: [out, in], y: [t, out]
//!
//! Backward: dx = dy·w, dw = dyᵀ·x; a frozen w gets no dw.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    kept::Kept,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::gemm::{Matrix, matmul};

/// y = x·wᵀ; x: [t, in], w: [out, in] → [t, out].
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let sizes = sizes(x, weight)?;
    let Some([x_array, w_array]) = arrays([x, weight]) else {
        return plain(x, weight);
    };
    let (t, inputs, outputs) = sizes;
    let mut y = vec![0.0; t * outputs];
    let w = Matrix::new(numbers(&w_array), outputs, inputs);
    matmul(&mut y, Matrix::new(numbers(&x_array), t, inputs), w.t(), 1.0, false);
    Ok(record([x, weight], y, &[t, outputs], || Saved { x: Kept::of(x, x_array), weight: w_array, sizes }))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    sizes(x, weight)?;
    x.matmul(&weight.t()?)
}

fn sizes(x: &Tensor, weight: &Tensor) -> Result<(usize, usize, usize)> {
    let ([t, inputs], [outputs, columns]) = (x.matrix("linear")?, weight.matrix("linear")?);
    if inputs != columns {
        return Err(Error::shape(
            "linear",
            "x: [t, in] and w: [out, in]",
            &[&[t, inputs], &[outputs, columns]],
        ));
    }
    Ok((t, inputs, outputs))
}

#[derive(Clone, Debug)]
struct Saved {
    x: Kept,
    weight: FlexTensor,
    sizes: (usize, usize, usize),
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (t, inputs, outputs) = self.sizes;
        let dy = Matrix::new(output, t, outputs);
        let dx = needed[0].then(|| {
            let mut dx = vec![0.0; t * inputs];
            matmul(&mut dx, dy, Matrix::new(numbers(&self.weight), outputs, inputs), 1.0, false);
            dx
        });
        let dw = needed[1].then(|| {
            let mut dw = vec![0.0; outputs * inputs];
            self.x.read(|x| matmul(&mut dw, dy.t(), Matrix::new(x, t, inputs), 1.0, false));
            dw
        });
        vec![dx, dw]
    }
}
