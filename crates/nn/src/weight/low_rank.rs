//! A frozen weight with a branch of low rank:
//!
//!     w = base + s · b·core·a        base: [out, in]  a: [right, in]  b: [out, left]  core: none, [r] or [left, right]
//!
//! Any of a, b and core may be trained; the core is missing, a diagonal (left = right = r), or a matrix. Training a and b
//! means r·(out + in) numbers, a diagonal between frozen factors only r. Beside a core s may be trained too: the product
//! s·core is then what stands between a and b. The branch costs 2·t·r·(out + in) multiply-adds beside t·out·in.
//!
//! A convolution's taps are a matrix [out, in·height·width] to it: `folded` gives the dense weight their shape back.
//!
//! Where a method took the branch's start out of the base (base = W − s·b₀·core₀·a₀), `start` keeps it, so that the update
//! relative to W is known exactly: where a and b stay, it is s·b·(core − core₀)·a, of rank r; otherwise
//! s·[b·core, −b₀·core₀]·[a; a₀], of rank 2r. Relative to a base that was rounded it is the branch; relative to W it is
//! of no low rank.

use super::{Factors, Leaf, Leaves, Scope, Weight, dropped};
use crate::Result;
use rankine_tensor::{Frozen, Tensor, Var, ops};
use std::sync::Arc;

/// A frozen base with a low-rank branch.
#[derive(Debug)]
pub struct LowRank {
    base: Leaf,
    a: Leaf,
    b: Leaf,
    core: Option<Leaf>,
    /// s, where it is a number of its own beside a core; [1]. `scale` is 1 then.
    core_scale: Option<Leaf>,
    scale: f32,
    dropout: f32,
    orthonormality: f32,
    origin: Origin,
    /// Of the dense weight, where it is no matrix.
    shape: Option<Vec<usize>>,
}

/// What the base is of the original weight.
#[derive(Debug)]
enum Origin {
    /// All of it.
    Whole,
    /// That without the branch as it started.
    Without(Box<Start>),
    /// Rounded: only with the branch does it resemble the weight.
    Rounded,
}

/// The branch as it was taken out of the base.
#[derive(Debug)]
struct Start {
    a: Tensor,
    b: Tensor,
    /// With s, where that is a number of its own.
    core: Option<Tensor>,
}

/// Below this, the norm of G − 1 for a Gram matrix G is rounding, and its direction noise: the slope of the penalty goes to
/// zero with it.
const SMALL_DEFECT: f32 = 1e-4;

impl LowRank {
    /// A trained branch beside `base`; a: [r, in], b: [out, r].
    pub fn new(base: impl Into<Frozen>, a: &Tensor, b: &Tensor, scale: f32) -> Self {
        let (a, b) = (Leaf::Trained(Var::from_tensor(a)), Leaf::Trained(Var::from_tensor(b)));
        Self::of(base, a, b, None, scale)
    }

    /// A branch with a core beside `base`; a: [right, in], b: [out, left], core: [r] or [left, right].
    pub fn with_core(base: impl Into<Frozen>, a: Leaf, b: Leaf, core: Leaf, scale: f32) -> Self {
        Self::of(base, a, b, Some(core), scale)
    }

    /// The branch starts as a part of the original weight: its start is taken out of the base.
    pub fn taken_out(original: &Tensor, a: &Tensor, b: &Tensor, scale: f32) -> Result<Self> {
        Self::new(original.clone(), a, b, scale).out_of_base()
    }

    /// The same for a branch with a core.
    pub fn core_taken_out(original: &Tensor, a: Leaf, b: Leaf, core: Leaf, scale: f32) -> Result<Self> {
        Self::with_core(original.clone(), a, b, core, scale).out_of_base()
    }

    /// The same with s a leaf; core: [r] or [left, right], scale: [1].
    pub fn scaled_core_taken_out(
        original: &Tensor,
        a: Leaf,
        b: Leaf,
        [core, scale]: [Leaf; 2],
    ) -> Result<Self> {
        let whole = Self::with_core(original.clone(), a, b, core, 1.0);
        Self { core_scale: Some(scale), ..whole }.out_of_base()
    }

    /// A trained branch beside a base that is not the original weight but rounded, perhaps after the branch was taken out.
    pub fn rounded(base: impl Into<Frozen>, a: &Tensor, b: &Tensor, scale: f32) -> Self {
        Self { origin: Origin::Rounded, ..Self::new(base, a, b, scale) }
    }

    fn of(base: impl Into<Frozen>, a: Leaf, b: Leaf, core: Option<Leaf>, scale: f32) -> Self {
        let base = Leaf::Frozen(base.into());
        Self {
            base,
            a,
            b,
            core,
            core_scale: None,
            scale,
            dropout: 0.0,
            orthonormality: 0.0,
            origin: Origin::Whole,
            shape: None,
        }
    }

    /// The branch becomes a part of what the base was.
    fn out_of_base(self) -> Result<Self> {
        let [a, b] = [&self.a, &self.b].map(|leaf| leaf.tensor().detach());
        let core = self.core()?.map(|core| core.detach());
        let base = self.base().minus_product(&folded(&b, core.as_ref())?, &a, self.scale)?;
        Ok(Self {
            base: Leaf::Frozen(base.into()),
            origin: Origin::Without(Box::new(Start { a, b, core })),
            ..self
        })
    }

    /// Drops entries of the branch's input with this probability while training.
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// Adds `factor · (‖a·aᵀ − 1‖ + ‖bᵀ·b − 1‖)` to the loss, in Frobenius norms.
    pub fn with_orthonormality(self, factor: f32) -> Self {
        Self { orthonormality: factor, ..self }
    }

    /// The dense weight has this shape, of as many numbers, and nothing but it is asked for where that is no matrix.
    pub fn folded(self, shape: &[usize]) -> Self {
        Self { shape: (shape.len() != 2).then(|| shape.to_vec()), ..self }
    }

    /// What stands between a and b: the core, with s where that is a number of its own; [r] or [left, right].
    fn core(&self) -> Result<Option<Tensor>> {
        let Some(core) = self.core.as_ref().map(Leaf::tensor) else { return Ok(None) };
        let Some(scale) = &self.core_scale else { return Ok(Some(core)) };
        Ok(Some(core.mul(&scale.tensor().reshape(&vec![1; core.shape().len()])?)?))
    }

    /// The branch as it is now, its core folded into b.
    fn branch(&self) -> Result<Factors> {
        let (a, b) = (self.a.tensor(), self.b.tensor());
        let b = folded(&b, self.core()?.as_ref())?;
        Ok(Factors { rank: a.shape()[0], a: a.to_vec(), b: b.to_vec(), scale: self.scale })
    }

    /// The frozen part; [out, in].
    pub fn base(&self) -> Tensor {
        self.base.tensor()
    }

    /// What was learnt, relative to the original weight.
    fn learnt(&self) -> Result<Option<Factors>> {
        let now = self.branch()?;
        let start = match &self.origin {
            Origin::Whole => return Ok(Some(now)),
            Origin::Rounded => return Ok(None),
            Origin::Without(start) => start,
        };
        if self.a.trained().is_none() && self.b.trained().is_none() {
            let change = match (self.core()?, &start.core) {
                (Some(core), Some(start)) => Some(core.detach().sub(start)?),
                _ => None,
            };
            return Ok(Some(Factors { b: folded(&start.b, change.as_ref())?.to_vec(), ..now }));
        }
        let b_start = folded(&start.b, start.core.as_ref())?.scale(-1.0).to_vec();
        let a = [now.a, start.a.to_vec()].concat();
        let rows = now.b.chunks(now.rank.max(1)).zip(b_start.chunks(now.rank.max(1)));
        let b = rows.flat_map(|(now, then)| [now, then].concat()).collect();
        Ok(Some(Factors { a, b, rank: 2 * now.rank, scale: self.scale }))
    }
}

/// b·core; [out, right].
fn folded(b: &Tensor, core: Option<&Tensor>) -> Result<Tensor> {
    Ok(match core {
        None => b.clone(),
        Some(core) if core.shape().len() == 1 => b.mul(&core.reshape(&[1, core.elements()])?)?,
        Some(core) => b.matmul(core)?,
    })
}

/// ‖G − 1‖ of a Gram matrix, in the Frobenius norm; [1]. Smooth at 0: where it is ε or less it is (‖·‖² + ε²)/(2ε).
fn defect(gram: &Tensor) -> Result<Tensor> {
    let size = gram.shape()[0];
    let one = (0..size * size).map(|at| if at / size == at % size { 1.0 } else { 0.0 }).collect();
    let off = gram.sub(&Tensor::new(one, &[size, size])?)?;
    let square = off.mul(&off)?.sum();
    let small = SMALL_DEFECT * SMALL_DEFECT;
    Ok(if square.item() > small {
        square.sqrt()
    } else {
        square.shift(small).scale((2.0 * SMALL_DEFECT).recip())
    })
}

impl Leaves for LowRank {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("base", &self.base);
        visit("a", &self.a);
        visit("b", &self.b);
        self.core.iter().for_each(|core| visit("core", core));
        self.core_scale.iter().for_each(|scale| visit("scale", scale));
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("base", &mut self.base);
        visit("a", &mut self.a);
        visit("b", &mut self.b);
        self.core.iter_mut().for_each(|core| visit("core", core));
        self.core_scale.iter_mut().for_each(|scale| visit("scale", scale));
    }
}

impl Weight for LowRank {
    fn dense(&self) -> Result<Tensor> {
        let product = folded(&self.b.tensor(), self.core()?.as_ref())?.matmul(&self.a.tensor())?;
        let dense = self.base.tensor().add(&product.scale(self.scale))?;
        Ok(match &self.shape {
            Some(shape) => dense.reshape(shape)?,
            None => dense,
        })
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        let input = dropped(x, self.dropout, scope)?;
        let (a, b, core) = (self.a.tensor(), self.b.tensor(), self.core()?);
        let branch =
            ops::Branch { a: &a, core: core.as_ref(), b: &b, scale: self.scale, input: input.as_ref() };
        Ok(ops::low_rank(x, &self.base.constant(), branch)?)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        let rows = ops::frozen_rows(&self.base.constant(), ids)?;
        let branch = folded(&ops::embedding(&self.b.tensor(), ids)?, self.core()?.as_ref())?;
        Ok(rows.add(&branch.matmul(&self.a.tensor())?.scale(self.scale))?)
    }

    fn penalty(&self) -> Result<Option<Tensor>> {
        if self.orthonormality == 0.0 {
            return Ok(None);
        }
        let (a, b) = (self.a.tensor(), self.b.tensor());
        let both = defect(&a.matmul(&a.t()?)?)?.add(&defect(&b.t()?.matmul(&b)?)?)?;
        Ok(Some(both.scale(self.orthonormality).reshape(&[1])?))
    }

    fn residual(&self) -> Option<(Frozen, Factors)> {
        match self.origin {
            Origin::Whole => None,
            Origin::Without(_) | Origin::Rounded => Some((self.base.constant(), self.branch().ok()?)),
        }
    }

    fn update(&self) -> Option<Factors> {
        self.learnt().ok().flatten()
    }
}
