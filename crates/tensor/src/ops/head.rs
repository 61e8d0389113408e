//! Output head and cross-entropy in one, without the [t, v] logits.
//!
//!     loss_i = ln Σ_j exp(x_i·w_j) − x_i·w_{target_i}        x: [t, d]  w: [v, d]  losses: [t]
//!
//! d loss_i/dx_i is made in the forward pass, chunk of the vocabulary by chunk; a trained head gets its gradient from a
//! second pass over the chunks.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::cross_entropy::{self as kernel, Head};
use std::sync::Arc;

/// The target of a row that is not scored: its loss and its gradients are 0.
pub const IGNORED: u32 = kernel::IGNORED;

/// Losses of rows, and what the head would have said.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// −ln p(target), 0 where ignored; [t].
    pub losses: Vec<f32>,
    /// Most probable token, 0 where ignored; [t].
    pub greedy: Vec<u32>,
}

/// Cross-entropy of every row; x: [t, d], weight: [v, d], targets: [t] → [t].
pub fn losses(x: &Tensor, weight: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    let [t, width] = check(x, weight.matrix("losses")?, targets)?;
    let Some([x_array, w_array]) = arrays([x, weight]) else {
        return plain(x, weight, targets);
    };
    let mut losses = vec![0.0; t];
    let mut dx = x.is_tracked().then(|| vec![0.0; t * width]);
    head(&w_array, width).losses(numbers(&x_array), targets, &mut losses, dx.as_deref_mut(), None);
    let (saved_x, saved_w) = (x_array, w_array);
    Ok(record([x, weight], losses, &[t], || Saved {
        x: saved_x,
        weight: saved_w,
        dx,
        targets: targets.clone(),
    }))
}

/// Losses and most probable tokens, off the tape; x: [t, d], weight: [v, d], targets: [t].
pub fn score(x: &Tensor, weight: &Tensor, targets: &[u32]) -> Result<Scored> {
    let [t, width] = check(x, weight.matrix("losses")?, targets)?;
    let (mut losses, mut greedy) = (vec![0.0; t], vec![0; t]);
    weight.read(|w| {
        let head = Head { weight: w.into(), vocabulary: w.len().checked_div(width).unwrap_or(0), width };
        x.read(|x| head.losses(x, targets, &mut losses, None, Some(&mut greedy)));
    });
    Ok(Scored { losses, greedy })
}

/// The same as [`losses`] from backend operations, with all logits.
pub fn plain(x: &Tensor, weight: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    let [t, _] = check(x, weight.matrix("losses")?, targets)?;
    let logits = x.matmul(&weight.t()?)?;
    let vocabulary = weight.shape()[0];
    let (mut chosen, mut live) = (vec![0.0; t * vocabulary], vec![0.0; t]);
    for (row, &target) in targets.iter().enumerate().filter(|&(_, &target)| target != IGNORED) {
        chosen[row * vocabulary + target as usize] = 1.0;
        live[row] = 1.0;
    }
    let picked = logits.mul(&Tensor::constant(chosen, &[t, vocabulary]))?.sum_axis(1)?;
    logits.log_sum_exp(1)?.sub(&picked)?.reshape(&[t])?.mul(&Tensor::constant(live, &[t]))
}

pub(super) fn check(x: &Tensor, table: [usize; 2], targets: &[u32]) -> Result<[usize; 2]> {
    let shape = x.matrix("losses")?;
    let inside = targets.iter().all(|&target| target == IGNORED || (target as usize) < table[0]);
    if shape[1] != table[1] || targets.len() != shape[0] || !inside {
        let expected = format!("x: [{}, d], w: [v, d] and targets below v", targets.len());
        return Err(Error::shape("losses", expected, &[&shape, &table]));
    }
    Ok(shape)
}

fn head(weight: &FlexTensor, width: usize) -> Head<'_> {
    let weight = numbers(weight);
    Head { weight: weight.into(), vocabulary: weight.len().checked_div(width).unwrap_or(0), width }
}

/// Rows of `width` numbers, each times its factor.
pub(super) fn scaled(rows: &[f32], factors: &[f32], width: usize) -> Vec<f32> {
    let rows = rows.chunks(width.max(1)).zip(factors);
    rows.flat_map(|(row, factor)| row.iter().map(move |value| value * factor)).collect()
}

#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    /// d loss_i/dx_i; [t, d].
    dx: Option<Vec<f32>>,
    targets: Arc<[u32]>,
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let x = numbers(&self.x);
        let width = x.len().checked_div(self.targets.len()).unwrap_or(0);
        let dx = self.dx.as_ref().filter(|_| needed[0]).map(|unit| scaled(unit, output, width));
        let dw = needed[1].then(|| {
            let mut dw = vec![0.0; numbers(&self.weight).len()];
            head(&self.weight, width).weight_gradient(x, &self.targets, output, &mut dw);
            dw
        });
        vec![dx, dw]
    }
}
