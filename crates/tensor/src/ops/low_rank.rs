//! y = x·wᵀ + s·(x̃·aᵀ)·bᵀ, with x, x̃: [t, in], w: [out, in] frozen, a: [r, in], b: [out, r]
//!
//! x̃ is x, or x after the branch's dropout. Backward, with p = x̃·aᵀ and q = dy·b: db = s·dyᵀ·p, da = s·qᵀ·x̃,
//! dx = dy·w, dx̃ = s·q·a. The gradient of w is never formed.

use super::{Constant, numbers};
use crate::{
    Error, Frozen, Result, Tensor,
    kept::Kept,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::low_rank::LowRank;

/// The low-rank branch beside a frozen weight.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// Down projection; [r, in].
    pub a: &'a Tensor,
    /// Up projection; [out, r].
    pub b: &'a Tensor,
    /// Factor of the branch.
    pub scale: f32,
    /// What the branch sees instead of x, when dropout acts on it; [t, in].
    pub input: Option<&'a Tensor>,
}

/// y = x·wᵀ + s·(x̃·aᵀ)·bᵀ; x: [t, in], weight: [out, in] → [t, out].
pub fn low_rank(x: &Tensor, weight: &Frozen, branch: Branch<'_>) -> Result<Tensor> {
    let sizes = Sizes::check(x, weight.matrix("low_rank")?, branch)?;
    let inputs = arrays([x, branch.a, branch.b, branch.input.unwrap_or(x)]);
    let (Some([x_array, a, b, seen]), Some(w)) = (inputs, Constant::of(weight)) else {
        return plain(x, &weight.tensor(), branch);
    };
    let kept = Kept::of(branch.input.unwrap_or(x), seen.clone());
    let mut saved = Saved { seen: kept, w, a, b, projected: Vec::new(), scale: branch.scale, sizes };
    let (mut y, mut projected) = (vec![0.0; sizes.t * sizes.outputs], vec![0.0; sizes.t * sizes.rank]);
    saved.kernel().forward(numbers(&x_array), numbers(&seen), &mut y, &mut projected);
    saved.projected = projected;
    let shape = [sizes.t, sizes.outputs];
    Ok(match branch.input {
        None => record([x, branch.a, branch.b], y, &shape, || saved),
        Some(seen) => record([x, branch.a, branch.b, seen], y, &shape, || saved),
    })
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, branch: Branch<'_>) -> Result<Tensor> {
    Sizes::check(x, weight.matrix("low_rank")?, branch)?;
    let projected = branch.input.unwrap_or(x).matmul(&branch.a.t()?)?;
    x.matmul(&weight.t()?)?.add(&projected.matmul(&branch.b.t()?)?.scale(branch.scale))
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    t: usize,
    inputs: usize,
    outputs: usize,
    rank: usize,
}

impl Sizes {
    fn check(x: &Tensor, [outputs, columns]: [usize; 2], branch: Branch<'_>) -> Result<Self> {
        let [t, inputs] = x.matrix("low_rank")?;
        let ([rank, a_columns], [b_rows, b_columns]) =
            (branch.a.matrix("low_rank")?, branch.b.matrix("low_rank")?);
        let seen = branch.input.map_or(Ok([t, inputs]), |seen| seen.matrix("low_rank"))?;
        let fits = [columns, a_columns] == [inputs; 2]
            && [b_rows, b_columns] == [outputs, rank]
            && seen == [t, inputs];
        if !fits {
            let expected = "x: [t, in], w: [out, in], a: [r, in], b: [out, r]";
            let found: [&[usize]; 4] =
                [&[t, inputs], &[outputs, columns], &[rank, a_columns], &[b_rows, b_columns]];
            return Err(Error::shape("low_rank", expected, &found));
        }
        Ok(Self { t, inputs, outputs, rank })
    }
}

#[derive(Clone, Debug)]
struct Saved {
    seen: Kept,
    w: Constant,
    a: FlexTensor,
    b: FlexTensor,
    /// x̃·aᵀ; [t, r].
    projected: Vec<f32>,
    scale: f32,
    sizes: Sizes,
}

impl Saved {
    fn kernel(&self) -> LowRank<'_> {
        LowRank {
            weight: self.w.operand(),
            a: numbers(&self.a),
            b: numbers(&self.b),
            scale: self.scale,
            inputs: self.sizes.inputs,
            outputs: self.sizes.outputs,
            rank: self.sizes.rank,
        }
    }
}

impl Grad for Saved {
    /// Inputs are (x, a, b), or (x, a, b, x̃).
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let Sizes { t, inputs, outputs, rank } = self.sizes;
        let mut dx = needed[0].then(|| vec![0.0; t * inputs]);
        let mut dseen = needed.get(3).map(|_| vec![0.0; t * inputs]);
        let (mut da, mut db) = (vec![0.0; rank * inputs], vec![0.0; outputs * rank]);
        self.seen.read(|seen| {
            self.kernel().backward(
                seen,
                &self.projected,
                output,
                dx.as_deref_mut(),
                dseen.as_deref_mut(),
                &mut da,
                &mut db,
            );
        });
        let mut all = vec![dx, Some(da), Some(db)];
        all.extend(dseen.map(Some));
        all
    }
}
