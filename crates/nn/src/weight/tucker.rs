//! A frozen weight of any number of axes with a branch in Tucker form:
//!
//!     w = base + s · G ×₁ A₁ ×₂ A₂ … ×_N A_N        base: [d₁, …, d_N]  G: [r₁, …, r_N]  Aₙ: [dₙ, rₙ]
//!     (B ×ₙ A)[…, i, …] = Σ_j A[i, j] · B[…, j, …]  in place n
//!
//! Trains the core G and every Aₙ: Π rₙ + Σ dₙ·rₙ numbers. The branch is built whole, once a pass; of a convolution that is
//! little beside the convolution itself. As a matrix [d₁, d₂·…·d_N] the update has rank r₁, whatever the other ranks.

use super::{Factors, Leaf, Leaves, Weight};
use crate::Result;
use rankine_tensor::{Frozen, Tensor, Var, ops, untaped};

/// A frozen base with a branch in Tucker form.
#[derive(Debug)]
pub struct Tucker {
    base: Leaf,
    core: Leaf,
    /// Aₙ with its name, in the order of the axes.
    factors: Vec<(String, Leaf)>,
    scale: f32,
}

impl Tucker {
    /// A trained branch beside `base`; core: [r₁, …, r_N], factors: [dₙ, rₙ] each, in the order of the axes.
    pub fn new(base: impl Into<Frozen>, core: &Tensor, factors: &[Tensor], scale: f32) -> Self {
        let trained = |start: &Tensor| Leaf::Trained(Var::from_tensor(start));
        let named = |(axis, factor): (usize, &Tensor)| (format!("factor.{axis}"), trained(factor));
        Self {
            base: Leaf::Frozen(base.into()),
            core: trained(core),
            factors: factors.iter().enumerate().map(named).collect(),
            scale,
        }
    }

    /// G ×₁ A₁ … ×_N A_N with another A₁.
    fn expanded(&self, first: Tensor) -> Result<Tensor> {
        let others = self.factors.iter().skip(1).map(|(_, factor)| factor.tensor());
        let mut array = self.core.tensor();
        for factor in std::iter::once(first).chain(others) {
            // The first axis is multiplied and becomes the last one: after all of them they stand in order again.
            let [size, rank] = factor.matrix("tucker")?;
            let rest = array.elements() / rank.max(1);
            let shape = [&array.shape()[1..], &[size]].concat();
            array = ops::linear(&array.reshape(&[rank, rest])?.t()?, &factor)?.reshape(&shape)?;
        }
        Ok(array)
    }

    /// The update as it is now: b = A₁, a = G ×₂ A₂ … ×_N A_N.
    fn learnt(&self) -> Result<Option<Factors>> {
        let Some((_, first)) = self.factors.first() else { return Ok(None) };
        let b = first.tensor();
        let [_, rank] = b.matrix("tucker")?;
        let one = (0..rank * rank).map(|at| if at / rank == at % rank { 1.0 } else { 0.0 }).collect();
        let a = self.expanded(Tensor::new(one, &[rank, rank])?)?;
        Ok(Some(Factors { a: a.to_vec(), b: b.to_vec(), rank, scale: self.scale }))
    }
}

impl Leaves for Tucker {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("base", &self.base);
        visit("core", &self.core);
        self.factors.iter().for_each(|(name, factor)| visit(name, factor));
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("base", &mut self.base);
        visit("core", &mut self.core);
        self.factors.iter_mut().for_each(|(name, factor)| visit(name, factor));
    }
}

impl Weight for Tucker {
    fn dense(&self) -> Result<Tensor> {
        let base = self.base.tensor();
        let Some((_, first)) = self.factors.first() else { return Ok(base) };
        Ok(base.add(&self.expanded(first.tensor())?.scale(self.scale))?)
    }

    fn update(&self) -> Option<Factors> {
        untaped(|| self.learnt()).ok().flatten()
    }
}
