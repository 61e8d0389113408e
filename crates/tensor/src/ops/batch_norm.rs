//! y = (x − mean(x)) / √(var(x) + ε) ∘ w + b, channel by channel over images and pixels; x, y: [n, c, h, w], w, b: [c]

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::batch_norm::{self as kernel, BatchNorm};

/// Batch norm of every channel with the statistics of x itself, and these: mean and variance of every channel; [c].
///
/// # Errors
/// When the shapes do not fit, or a channel has no number.
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f32,
) -> Result<(Tensor, Vec<[f32; 2]>)> {
    let (sizes, shape) = check(x, weight, bias)?;
    let Some([x_array, w_array, b_array]) = arrays([x, weight, bias]) else {
        return Ok((plain(x, weight, bias, epsilon)?, x.read(|x| sizes.moments(x))));
    };
    let moments = sizes.moments(numbers(&x_array));
    let mut y = vec![0.0; x.elements()];
    let saved = Saved { sizes, x: x_array, weight: w_array, moments: moments.clone(), epsilon };
    sizes.forward(saved.kernel(), numbers(&b_array), &mut y);
    Ok((record([x, weight, bias], y, &shape, || saved), moments))
}

/// The same without the statistics, from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let (BatchNorm { channels, .. }, _) = check(x, weight, bias)?;
    let mean = |x: &Tensor| x.mean_axis(0)?.mean_axis(2)?.mean_axis(3);
    let centred = x.sub(&mean(x)?)?;
    let inverse = mean(&centred.mul(&centred)?)?.shift(epsilon).sqrt().recip();
    let channel = |vector: &Tensor| vector.reshape(&[1, channels, 1, 1]);
    centred.mul(&inverse)?.mul(&channel(weight)?)?.add(&channel(bias)?)
}

fn check(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<(BatchNorm, [usize; 4])> {
    let (shape, weight, bias) = (x.shape(), weight.shape(), bias.shape());
    if let &[images, channels, height, width] = &shape[..]
        && images * height * width > 0
        && weight == [channels]
        && bias == [channels]
    {
        return Ok((BatchNorm { channels, area: height * width }, [images, channels, height, width]));
    }
    let expected = "x: [n, c, h, w] with numbers in every channel, w: [c] and b: [c]";
    Err(Error::shape("batch_norm", expected, &[&shape, &weight, &bias]))
}

#[derive(Clone, Debug)]
struct Saved {
    sizes: BatchNorm,
    x: FlexTensor,
    weight: FlexTensor,
    moments: Vec<[f32; 2]>,
    epsilon: f32,
}

impl Saved {
    fn kernel(&self) -> kernel::Saved<'_> {
        let (x, w) = (numbers(&self.x), numbers(&self.weight));
        kernel::Saved { x, w, moments: &self.moments, epsilon: self.epsilon }
    }
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let mut dx = needed[0].then(|| vec![0.0; output.len()]);
        let (mut dw, mut db) = (vec![0.0; self.sizes.channels], vec![0.0; self.sizes.channels]);
        let into = kernel::Gradients { dx: dx.as_deref_mut(), dw: &mut dw, db: &mut db };
        self.sizes.backward(self.kernel(), output, into);
        vec![dx, Some(dw), Some(db)]
    }
}
