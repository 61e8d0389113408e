//! A frozen weight with a trained branch of low rank:
//!
//!     w = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]
//!
//! Trains a and b: r·(out + in) numbers. The branch costs 2·t·r·(out + in) multiply-adds beside t·out·in.
//!
//! Where a method took the branch's start out of the base (base = W − s·b₀·a₀), `start` keeps (a₀, b₀), so that the
//! update relative to W is known exactly: ΔW = s·(b·a − b₀·a₀) = s·[b, −b₀]·[a; a₀], of rank 2r.

use super::{Factors, Leaf, Leaves, Scope, Weight};
use crate::Result;
use rankine_tensor::{Frozen, Tensor, Var, ops};
use std::sync::Arc;

/// A frozen base with a low-rank branch.
#[derive(Debug)]
pub struct LowRank {
    base: Leaf,
    a: Leaf,
    b: Leaf,
    scale: f32,
    dropout: f32,
    start: Option<(Tensor, Tensor)>,
}

impl LowRank {
    /// A branch beside `base`; a: [r, in], b: [out, r].
    pub fn new(base: impl Into<Frozen>, a: &Tensor, b: &Tensor, scale: f32) -> Self {
        let (a, b) = (Leaf::Trained(Var::from_tensor(a)), Leaf::Trained(Var::from_tensor(b)));
        Self { base: Leaf::Frozen(base.into()), a, b, scale, dropout: 0.0, start: None }
    }

    /// The branch starts as a part of the original weight: its start is taken out of the base.
    pub fn taken_out(original: &Tensor, a: &Tensor, b: &Tensor, scale: f32) -> Result<Self> {
        let base = original.minus_product(b, a, scale)?;
        Ok(Self { start: Some((a.clone(), b.clone())), ..Self::new(base, a, b, scale) })
    }

    /// Drops entries of the branch's input with this probability while training.
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// a and b as they are now.
    fn branch(&self) -> Factors {
        let (a, b) = (self.a.tensor(), self.b.tensor());
        Factors { rank: a.shape()[0], a: a.to_vec(), b: b.to_vec(), scale: self.scale }
    }

    /// The frozen part; [out, in].
    pub fn base(&self) -> Tensor {
        self.base.tensor()
    }

    /// Inverted dropout of x: kept entries are divided by the probability of keeping.
    fn dropped(&self, x: &Tensor, scope: Scope<'_>) -> Result<Option<Tensor>> {
        let Some(mut rng) = scope.draw().filter(|_| self.dropout > 0.0) else {
            return Ok(None);
        };
        let keep = 1.0 - self.dropout;
        let mask = (0..x.elements()).map(|_| if rng.uniform() < keep { keep.recip() } else { 0.0 }).collect();
        Ok(Some(x.mul(&Tensor::new(mask, &x.shape())?)?))
    }
}

impl Leaves for LowRank {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("base", &self.base);
        visit("a", &self.a);
        visit("b", &self.b);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("base", &mut self.base);
        visit("a", &mut self.a);
        visit("b", &mut self.b);
    }
}

impl Weight for LowRank {
    fn dense(&self) -> Result<Tensor> {
        let product = self.b.tensor().matmul(&self.a.tensor())?;
        Ok(self.base.tensor().add(&product.scale(self.scale))?)
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        let input = self.dropped(x, scope)?;
        let (a, b) = (self.a.tensor(), self.b.tensor());
        let branch = ops::Branch { a: &a, b: &b, scale: self.scale, input: input.as_ref() };
        Ok(ops::low_rank(x, &self.base.constant(), branch)?)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        let rows = ops::frozen_rows(&self.base.constant(), ids)?;
        let branch = ops::embedding(&self.b.tensor(), ids)?.matmul(&self.a.tensor())?;
        Ok(rows.add(&branch.scale(self.scale))?)
    }

    fn residual(&self) -> Option<(Tensor, Factors)> {
        self.start.as_ref().map(|_| (self.base(), self.branch()))
    }

    fn update(&self) -> Option<Factors> {
        let Some((a_start, b_start)) = &self.start else {
            return Some(self.branch());
        };
        let Factors { a, b, rank, .. } = self.branch();
        let a = [a, a_start.to_vec()].concat();
        let rows = b.chunks(rank).zip(b_start.to_vec().chunks(rank).map(<[f32]>::to_vec).collect::<Vec<_>>());
        let b = rows.flat_map(|(now, then)| {
            now.iter().copied().chain(then.into_iter().map(|x| -x)).collect::<Vec<_>>()
        });
        Some(Factors { a, b: b.collect(), rank: 2 * rank, scale: self.scale })
    }
}
