//! Operations of a frozen matrix w, in f32 or in a storage type: y = x·wᵀ, rows of a table, a head's losses.
//!
//! The same formulas as in `linear.rs`, `embedding.rs` and `head.rs` without a gradient of w, which is neither formed nor
//! asked for; a stored w is widened piece by piece, or multiplied as bf16 where it is that and the processor can.

use super::{Constant, Scored, head, numbers};
use crate::{
    Error, Frozen, Result, Tensor,
    record::{Grad, arrays, record},
};
use rankine_kernels::cross_entropy::Head;
use std::sync::Arc;

/// y = x·wᵀ; x: [t, in], weight: [out, in] → [t, out].
pub fn frozen_linear(x: &Tensor, weight: &Frozen) -> Result<Tensor> {
    let ([t, inputs], [outputs, columns]) = (x.matrix("linear")?, weight.matrix("linear")?);
    if inputs != columns {
        let found: [&[usize]; 2] = [&[t, inputs], &[outputs, columns]];
        return Err(Error::shape("linear", "x: [t, in] and w: [out, in]", &found));
    }
    let (Some([x_array]), Some(weight)) = (arrays([x]), Constant::of(weight)) else {
        return super::linear::plain(x, &weight.tensor());
    };
    let mut y = vec![0.0; t * outputs];
    weight.operand().times_transposed(numbers(&x_array), &mut y, inputs);
    Ok(record([x], y, &[t, outputs], || Linear { weight, t, inputs }))
}

#[derive(Clone, Debug)]
struct Linear {
    weight: Constant,
    t: usize,
    inputs: usize,
}

impl Grad for Linear {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let mut dx = vec![0.0; self.t * self.inputs];
        self.weight.operand().times(output, &mut dx, self.inputs);
        vec![Some(dx)]
    }
}

/// Rows of a table; weight: [v, d], ids: [t] → [t, d].
pub fn frozen_rows(weight: &Frozen, ids: &Arc<[u32]>) -> Result<Tensor> {
    let stored = match weight {
        Frozen::Wide(table) => return super::embedding(table, ids),
        Frozen::Stored(stored) => stored,
    };
    let shape @ [rows, width] = stored.shape();
    if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
        return Err(Error::shape("embedding", format!("more than {id} rows"), &[&shape]));
    }
    let mut values = vec![0.0; ids.len() * width];
    for (&id, row) in ids.iter().zip(values.chunks_exact_mut(width.max(1))) {
        stored.widen(id as usize..id as usize + 1, row);
    }
    Tensor::new(values, &[ids.len(), width])
}

/// Cross-entropy of every row; x: [t, d], weight: [v, d], targets: [t] → [t].
pub fn frozen_losses(x: &Tensor, weight: &Frozen, targets: &Arc<[u32]>) -> Result<Tensor> {
    let stored = match weight {
        Frozen::Wide(table) => return super::losses(x, table, targets),
        Frozen::Stored(stored) => stored,
    };
    let [t, width] = head::check(x, stored.shape(), targets)?;
    let Some([x_array]) = arrays([x]) else {
        return head::plain(x, &weight.tensor(), targets);
    };
    let mut losses = vec![0.0; t];
    let mut dx = x.is_tracked().then(|| vec![0.0; t * width]);
    let head = stored_head(stored);
    head.losses(numbers(&x_array), targets, &mut losses, dx.as_deref_mut(), None);
    Ok(record([x], losses, &[t], || Losses { dx: dx.unwrap_or_default(), width }))
}

#[derive(Clone, Debug)]
struct Losses {
    /// d loss_i/dx_i; [t, d].
    dx: Vec<f32>,
    width: usize,
}

impl Grad for Losses {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        vec![Some(head::scaled(&self.dx, output, self.width))]
    }
}

/// Losses and most probable tokens, off the tape; x: [t, d], weight: [v, d], targets: [t].
pub fn frozen_score(x: &Tensor, weight: &Frozen, targets: &[u32]) -> Result<Scored> {
    let stored = match weight {
        Frozen::Wide(table) => return super::score(x, table, targets),
        Frozen::Stored(stored) => stored,
    };
    let [t, _] = head::check(x, stored.shape(), targets)?;
    let (mut losses, mut greedy) = (vec![0.0; t], vec![0; t]);
    x.read(|x| stored_head(stored).losses(x, targets, &mut losses, None, Some(&mut greedy)));
    Ok(Scored { losses, greedy })
}

fn stored_head(stored: &rankine_kernels::stored::Stored) -> Head<'_> {
    let [vocabulary, width] = stored.shape();
    Head { weight: rankine_kernels::stored::Operand::Stored(stored), vocabulary, width }
}
