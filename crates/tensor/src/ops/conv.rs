//! y = pool(f(w ⋆ x + b)), with x: [n, c, h, w], w: [k, c/groups, r, s], b: [k], y: [n, k, i, j]
//!
//! The kernel's formula (`rankine_kernels::conv`). Of the maps before relu and pooling nothing is kept: the backward pass
//! reads y, and one byte a window that says who won it.

use super::{Activation, numbers};
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record_array},
    tensor::flex,
};
use burn::backend::{
    Dispatch,
    flex::FlexTensor,
    ops::{ConvOptions, ModuleOps},
};
use rankine_kernels::conv::{Conv, Gradients, Saved as Kept};
use std::sync::Arc;

/// How a kernel moves over maps, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Steps of the kernel: down, right.
    pub stride: [usize; 2],
    /// Rows and columns of zeros on either side; less than the kernel's.
    pub padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// f.
    pub activation: Activation,
    /// Height and width of the pooling windows, which stand side by side; 1: no pooling.
    pub pool: usize,
}

impl Default for Convolution {
    /// Stride 1, no padding, one group, nothing behind it.
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], groups: 1, activation: Activation::None, pool: 1 }
    }
}

impl Convolution {
    /// The kernel, once the shapes fit.
    fn check(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Conv, [usize; 4])> {
        let (x, w) = (x.shape(), weight.shape());
        let bias = bias.map(Tensor::shape);
        let &Self { stride, padding, groups, activation, pool } = self;
        if let (&[batch, channels, height, width], &[outputs, share, rows, columns]) = (&x[..], &w[..]) {
            let (size, kernel) = ([height, width], [rows, columns]);
            let conv =
                Conv { batch, channels, size, outputs, kernel, stride, padding, groups, activation, pool };
            if let Some([rows, columns]) = conv.output()
                && share == channels / groups
                && bias.as_ref().is_none_or(|bias| bias == &[outputs])
            {
                return Ok((conv, [batch, outputs, rows, columns]));
            }
        }
        let expected =
            format!("x: [n, c, h, w], w: [k, c/{groups}, r, s], b: [k] and sizes that fit {self:?}");
        Err(Error::shape("conv2d", expected, &[&x, &w, &bias.unwrap_or_default()]))
    }
}

/// pool(f(w ⋆ x + b)); x: [n, c, h, w], weight: [k, c/groups, r, s], bias: [k] → [n, k, i, j].
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, layout: &Convolution) -> Result<Tensor> {
    let (conv, shape) = layout.check(x, weight, bias)?;
    let (Some([x_array, w_array]), Some(b_array)) = (arrays([x, weight]), arrays([bias.unwrap_or(weight)]))
    else {
        return plain(x, weight, bias, layout);
    };
    let mut y = vec![0.0; shape.iter().product()];
    let mut winners = vec![0; conv.winners()];
    let b = bias.map(|_| numbers(&b_array[0]));
    conv.forward(numbers(&x_array), numbers(&w_array), b, &mut y, &mut winners);
    let y = flex(y, &shape);
    let kept = y.clone();
    let save = || Saved { conv, x: x_array, weight: w_array, y: kept, winners: winners.into() };
    Ok(match bias {
        Some(bias) => record_array([x, weight, bias], y, save),
        None => record_array([x, weight], y, save),
    })
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, layout: &Convolution) -> Result<Tensor> {
    layout.check(x, weight, bias)?;
    let options = ConvOptions::new(layout.stride, layout.padding, [1, 1], layout.groups);
    let [x, weight] = [x, weight].map(|tensor| tensor.handle.clone());
    let bias = bias.map(|bias| bias.handle.clone());
    let z = Tensor::from_handle(Dispatch::conv2d(x, weight, bias, options));
    let z = match layout.activation {
        Activation::None => z,
        Activation::Relu => z.relu(),
    };
    let window = [layout.pool; 2];
    if layout.pool == 1 { Ok(z) } else { super::pool::plain(&z, window, window, [0; 2]) }
}

#[derive(Clone, Debug)]
struct Saved {
    conv: Conv,
    x: FlexTensor,
    weight: FlexTensor,
    y: FlexTensor,
    winners: Arc<[u8]>,
}

impl Grad for Saved {
    /// Inputs are (x, w), or (x, w, b).
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let (x, w) = (numbers(&self.x), numbers(&self.weight));
        let lengths = [x.len(), w.len(), self.conv.outputs];
        let mut all: Vec<Option<Vec<f32>>> =
            lengths.iter().zip(needed).map(|(&length, &needed)| needed.then(|| vec![0.0; length])).collect();
        let kept = Kept { x, w, y: numbers(&self.y), winners: &self.winners };
        let mut slices = all.iter_mut().map(Option::as_deref_mut);
        let mut next = || slices.next().flatten();
        self.conv.backward(kept, output, Gradients { dx: next(), dw: next(), db: next() });
        all
    }
}
