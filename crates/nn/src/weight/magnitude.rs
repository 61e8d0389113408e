//! A frozen weight with a low-rank branch, and the length of every row beside it:
//!
//!     w = m ∘ V/‖V‖,   V = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]  m: [out]
//!
//! ‖V‖ is the length of every row; it is a constant of the backward pass ([dora] §4.3). m starts as ‖V‖, so that w starts
//! as V. Trains a, b and m: r·(out + in) + out numbers.
//!
//! V is not formed to find its lengths: ‖V_i‖² = ‖base_i‖² + 2s·b_i·(a·base_iᵀ) + s²·b_i·(a·aᵀ)·b_iᵀ costs r·out·in
//! multiply-adds and no memory of the size of the weight.

use super::{Factors, Leaf, Leaves, Scope, Weight, dropped};
use crate::Result;
use rankine_tensor::{Frozen, Tensor, Var, ops, untaped};

/// A low-rank branch beside a frozen base, with trained lengths of the rows.
#[derive(Debug)]
pub struct Magnitude {
    base: Leaf,
    a: Leaf,
    b: Leaf,
    magnitude: Leaf,
    /// ‖base‖² of every row; [out, 1].
    squares: Tensor,
    scale: f32,
    dropout: f32,
}

impl Magnitude {
    /// Lengths and directions of base + scale·b·a; a: [r, in], b: [out, r].
    pub fn new(base: impl Into<Frozen>, a: &Tensor, b: &Tensor, scale: f32) -> Result<Self> {
        let base = base.into();
        let [outputs, inputs] = base.matrix("magnitude")?;
        let square = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() as f32;
        let squares = base.tensor().read(|base| base.chunks_exact(inputs.max(1)).map(square).collect());
        let [a, b, magnitude] =
            [a, b, &Tensor::zeros(&[outputs])].map(|start| Leaf::Trained(Var::from_tensor(start)));
        let (base, squares) = (Leaf::Frozen(base), Tensor::new(squares, &[outputs, 1])?);
        let plain = Self { base, a, b, magnitude, squares, scale, dropout: 0.0 };
        let lengths = plain.lengths()?.reshape(&[outputs])?;
        Ok(Self { magnitude: Leaf::Trained(Var::from_tensor(&lengths)), ..plain })
    }

    /// Drops entries of the branch's input with this probability while training.
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// ‖V‖ of every row, off the tape; [out, 1].
    fn lengths(&self) -> Result<Tensor> {
        untaped(|| {
            let (a, b) = (self.a.tensor(), self.b.tensor());
            let cross = ops::frozen_linear(&a, &self.base.constant())?.t()?.scale(2.0 * self.scale);
            let own = b.matmul(&a.matmul(&a.t()?)?)?.scale(self.scale * self.scale);
            let squares = self.squares.add(&b.mul(&cross.add(&own)?)?.sum_axis(1)?)?;
            Ok(squares.relu().sqrt())
        })
    }

    /// m/‖V‖; [out, 1]. A row of zeros stays one, whatever its m.
    fn gain(&self) -> Result<Tensor> {
        let length = |&length: &f32| if length > 0.0 { length } else { 1.0 };
        let lengths: Vec<f32> = self.lengths()?.read(|lengths| lengths.iter().map(length).collect());
        let shape = [lengths.len(), 1];
        Ok(self.magnitude.tensor().reshape(&shape)?.div(&Tensor::new(lengths, &shape)?)?)
    }
}

impl Leaves for Magnitude {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("base", &self.base);
        visit("a", &self.a);
        visit("b", &self.b);
        visit("magnitude", &self.magnitude);
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("base", &mut self.base);
        visit("a", &mut self.a);
        visit("b", &mut self.b);
        visit("magnitude", &mut self.magnitude);
    }
}

impl Weight for Magnitude {
    fn dense(&self) -> Result<Tensor> {
        let product = self.b.tensor().matmul(&self.a.tensor())?;
        Ok(self.base.tensor().add(&product.scale(self.scale))?.mul(&self.gain()?)?)
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        let input = dropped(x, self.dropout, scope)?;
        let (a, b) = (self.a.tensor(), self.b.tensor());
        let branch = ops::Branch { a: &a, core: None, b: &b, scale: self.scale, input: input.as_ref() };
        Ok(ops::low_rank(x, &self.base.constant(), branch)?.mul(&self.gain()?.t()?)?)
    }

    fn update(&self) -> Option<Factors> {
        let (a, b) = (self.a.tensor(), self.b.tensor());
        Some(Factors { rank: a.shape()[0], a: a.to_vec(), b: b.to_vec(), scale: self.scale })
    }

    fn magnitude(&self) -> Option<Vec<f32>> {
        Some(self.magnitude.tensor().to_vec())
    }
}
