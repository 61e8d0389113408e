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
use rankine_kernels::gemm::{Matrix, MatrixMut, Sum, Term, matmul, together};

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
        let w = Matrix::new(numbers(&self.weight), outputs, inputs);
        let mut dx = needed[0].then(|| vec![0.0; t * inputs]);
        let mut dw = needed[1].then(|| vec![0.0; outputs * inputs]);
        let mut make = |x: &[f32]| {
            let mut sums = Vec::new();
            if let Some(dx) = &mut dx {
                sums.push(Sum::of(MatrixMut::new(dx, t, inputs), Term { a: dy, b: w, scale: 1.0 }));
            }
            if let Some(dw) = &mut dw {
                let term = Term { a: dy.t(), b: Matrix::new(x, t, inputs), scale: 1.0 };
                sums.push(Sum::of(MatrixMut::new(dw, outputs, inputs), term));
            }
            together(sums);
        };
        // What x is made from is left alone where only dx is wanted.
        if needed[1] {
            self.x.read(make)
        } else {
            make(&[])
        }
        vec![dx, dw]
    }
}
