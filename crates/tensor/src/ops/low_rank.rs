//! y = x·wᵀ + s·(x̃·aᵀ)·cᵀ·bᵀ, with x, x̃: [t, in], w: [out, in] frozen, a: [right, in], b: [out, left]
//!
//! The core c is a matrix [left, right], a diagonal [r], or missing. x̃ is x, or x after the branch's dropout. Backward, with
//! p = x̃·aᵀ and q = s·dy·b: db = s·dyᵀ·(p·cᵀ), dc = qᵀ·p, da = (q·c)ᵀ·x̃, dx = dy·w, dx̃ = q·c·a. The gradient of w is
//! never formed; those of a, b and c only where they are trained.

use super::{Constant, numbers};
use crate::{
    Error, Frozen, Result, Tensor,
    kept::Kept,
    record::{Grad, arrays, record},
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::low_rank::{Core, Gradients, LowRank};

/// The low-rank branch beside a frozen weight.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// Down projection; [right, in].
    pub a: &'a Tensor,
    /// What stands between the projections: a diagonal [r] or a matrix [left, right].
    pub core: Option<&'a Tensor>,
    /// Up projection; [out, left].
    pub b: &'a Tensor,
    /// Factor of the branch.
    pub scale: f32,
    /// What the branch sees instead of x, when dropout acts on it; [t, in].
    pub input: Option<&'a Tensor>,
}

/// y = x·wᵀ + s·(x̃·aᵀ)·cᵀ·bᵀ; x: [t, in], weight: [out, in] → [t, out].
pub fn low_rank(x: &Tensor, weight: &Frozen, branch: Branch<'_>) -> Result<Tensor> {
    let sizes = Sizes::check(x, weight.matrix("low_rank")?, branch)?;
    let nothing = Tensor::zeros(&[1]);
    let (core, seen) = (branch.core.unwrap_or(&nothing), branch.input.unwrap_or(&nothing));
    let inputs = [x, branch.a, core, branch.b, seen];
    let (Some([x_array, a, core, b, seen_array]), Some(w)) = (arrays(inputs), Constant::of(weight)) else {
        return plain(x, &weight.tensor(), branch);
    };
    let seen_array = if branch.input.is_some() { seen_array } else { x_array.clone() };
    let seen = Kept::of(branch.input.unwrap_or(x), seen_array.clone());
    let own_input = branch.input.is_some();
    let mut saved =
        Saved { seen, own_input, w, a, core, b, projected: Vec::new(), scale: branch.scale, sizes };
    let (mut y, mut projected) = (vec![0.0; sizes.t * sizes.outputs], vec![0.0; sizes.t * sizes.ranks[1]]);
    saved.kernel().forward(numbers(&x_array), numbers(&seen_array), &mut y, &mut projected);
    saved.projected = projected;
    Ok(record(inputs, y, &[sizes.t, sizes.outputs], || saved))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, weight: &Tensor, branch: Branch<'_>) -> Result<Tensor> {
    Sizes::check(x, weight.matrix("low_rank")?, branch)?;
    let projected = branch.input.unwrap_or(x).matmul(&branch.a.t()?)?;
    let middle = match branch.core {
        None => projected,
        Some(core) if core.shape().len() == 1 => projected.mul(&core.reshape(&[1, core.elements()])?)?,
        Some(core) => projected.matmul(&core.t()?)?,
    };
    x.matmul(&weight.t()?)?.add(&middle.matmul(&branch.b.t()?)?.scale(branch.scale))
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    t: usize,
    inputs: usize,
    outputs: usize,
    ranks: [usize; 2],
    core: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    None,
    Diagonal,
    Dense,
}

impl Sizes {
    fn check(x: &Tensor, [outputs, columns]: [usize; 2], branch: Branch<'_>) -> Result<Self> {
        let [t, inputs] = x.matrix("low_rank")?;
        let ([right, a_columns], [b_rows, left]) =
            (branch.a.matrix("low_rank")?, branch.b.matrix("low_rank")?);
        let seen = branch.input.map_or(Ok([t, inputs]), |seen| seen.matrix("low_rank"))?;
        let core_shape = branch.core.map(Tensor::shape);
        let core = match core_shape.as_deref() {
            None if left == right => Some(Shape::None),
            Some(&[length]) if left == right && length == right => Some(Shape::Diagonal),
            Some(&[rows, columns]) if [rows, columns] == [left, right] => Some(Shape::Dense),
            _ => None,
        };
        let fits = [columns, a_columns] == [inputs; 2] && b_rows == outputs && seen == [t, inputs];
        match core.filter(|_| fits) {
            Some(core) => Ok(Self { t, inputs, outputs, ranks: [left, right], core }),
            None => {
                let expected =
                    "x: [t, in], w: [out, in], a: [right, in], b: [out, left], core: [r] or [left, right]";
                let core = core_shape.unwrap_or_default();
                let found: [&[usize]; 5] =
                    [&[t, inputs], &[outputs, columns], &[right, a_columns], &[b_rows, left], &core];
                Err(Error::shape("low_rank", expected, &found))
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Saved {
    seen: Kept,
    /// Whether the branch has an input of its own.
    own_input: bool,
    w: Constant,
    a: FlexTensor,
    core: FlexTensor,
    b: FlexTensor,
    /// x̃·aᵀ; [t, right].
    projected: Vec<f32>,
    scale: f32,
    sizes: Sizes,
}

impl Saved {
    fn kernel(&self) -> LowRank<'_> {
        LowRank {
            weight: self.w.operand(),
            a: numbers(&self.a),
            core: match self.sizes.core {
                Shape::None => Core::None,
                Shape::Diagonal => Core::Diagonal(numbers(&self.core)),
                Shape::Dense => Core::Dense(numbers(&self.core)),
            },
            b: numbers(&self.b),
            scale: self.scale,
            inputs: self.sizes.inputs,
            outputs: self.sizes.outputs,
            ranks: self.sizes.ranks,
        }
    }
}

impl Grad for Saved {
    /// Inputs are (x, a, core, b, x̃).
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>> {
        let Sizes { t, inputs, outputs, ranks: [left, right], .. } = self.sizes;
        let make = |wanted: bool, length: usize| wanted.then(|| vec![0.0; length]);
        let mut dx = make(needed[0], t * inputs);
        let mut da = make(needed[1], right * inputs);
        let mut dcore = make(needed[2], numbers(&self.core).len());
        let mut db = make(needed[3], outputs * left);
        // Asked for even where nothing needs it: it must not be added to that of x.
        let mut dseen = make(self.own_input, t * inputs);
        self.seen.read(|seen| {
            let gradients = Gradients {
                x: dx.as_deref_mut(),
                branch_input: dseen.as_deref_mut(),
                a: da.as_deref_mut(),
                core: dcore.as_deref_mut(),
                b: db.as_deref_mut(),
            };
            self.kernel().backward(seen, &self.projected, output, gradients);
        });
        vec![dx, da, dcore, db, dseen]
    }
}
