//! A frozen weight with a low-rank branch behind a gate, which is trained too:
//!
//!     w = base + s · g · b·a,   g = 1/(1 + e⁻ᵗ)        base: [out, in]  a: [r, in]  b: [out, r]  t: [1]
//!
//! Trains a, b and t: r·(out + in) + 1 numbers. t starts at 0, where g is ½. In the product the gate is a diagonal core of
//! r equal numbers, so its slope s·Σ⟨dy·b, x·aᵀ⟩ costs nothing beside that of the branch.

use super::{Factors, Leaf, Leaves, LowRank, Scope, Weight, dropped};
use crate::Result;
use rankine_tensor::{Frozen, Tensor, Var, ops};
use std::{any::Any, sync::Arc};

/// A frozen base with a low-rank branch behind a gate.
#[derive(Debug)]
pub struct Gated {
    base: Leaf,
    a: Leaf,
    b: Leaf,
    /// t; [1].
    gate: Leaf,
    scale: f32,
    dropout: f32,
}

impl Gated {
    /// A trained branch beside `base`, its gate half open; a: [r, in], b: [out, r].
    pub fn new(base: impl Into<Frozen>, a: &Tensor, b: &Tensor, scale: f32) -> Self {
        let [a, b, gate] = [a, b, &Tensor::zeros(&[1])].map(|start| Leaf::Trained(Var::from_tensor(start)));
        Self { base: Leaf::Frozen(base.into()), a, b, gate, scale, dropout: 0.0 }
    }

    /// Drops entries of the branch's input with this probability while training.
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// The weight as one with a gate, where it is one.
    pub fn of<'a>(weight: &'a (dyn Weight + 'static)) -> Option<&'a Self> {
        let any: &dyn Any = weight;
        any.downcast_ref()
    }

    /// g.
    pub fn gate(&self) -> f32 {
        self.opening().item()
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.a.tensor().shape()[0]
    }

    /// The weight without the branch.
    pub fn base(&self) -> Frozen {
        self.base.constant()
    }

    /// The same function without a gate: it is multiplied into b.
    pub fn settled(&self) -> LowRank {
        let (a, b) = (self.a.tensor(), self.b.tensor().scale(self.gate()));
        LowRank::new(self.base(), &a, &b, self.scale).with_dropout(self.dropout)
    }

    /// g; [1].
    fn opening(&self) -> Tensor {
        self.gate.tensor().sigmoid()
    }
}

impl Leaves for Gated {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("base", &self.base);
        visit("a", &self.a);
        visit("b", &self.b);
        visit("gate", &self.gate);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("base", &mut self.base);
        visit("a", &mut self.a);
        visit("b", &mut self.b);
        visit("gate", &mut self.gate);
    }
}

impl Weight for Gated {
    fn dense(&self) -> Result<Tensor> {
        let product = self.b.tensor().matmul(&self.a.tensor())?.mul(&self.opening().reshape(&[1, 1])?)?;
        Ok(self.base.tensor().add(&product.scale(self.scale))?)
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        let (rank, input) = (self.rank(), dropped(x, self.dropout, scope)?);
        let core = self.opening().mul(&Tensor::new(vec![1.0; rank], &[rank])?)?;
        let (a, b) = (self.a.tensor(), self.b.tensor());
        let branch =
            ops::Branch { a: &a, core: Some(&core), b: &b, scale: self.scale, input: input.as_ref() };
        Ok(ops::low_rank(x, &self.base.constant(), branch)?)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        let rows = ops::frozen_rows(&self.base.constant(), ids)?;
        let b = ops::embedding(&self.b.tensor(), ids)?.mul(&self.opening().reshape(&[1, 1])?)?;
        Ok(rows.add(&b.matmul(&self.a.tensor())?.scale(self.scale))?)
    }

    fn update(&self) -> Option<Factors> {
        let (a, b) = (self.a.tensor(), self.b.tensor().scale(self.gate()));
        Some(Factors { rank: self.rank(), a: a.to_vec(), b: b.to_vec(), scale: self.scale })
    }
}
