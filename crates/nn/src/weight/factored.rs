//! A weight that is the product of two thin matrices, and nothing else:
//!
//!     w = b·a,   y = (x·aᵀ)·bᵀ        a: [r, in]  b: [out, r]
//!     penalty = γ · (max|w − W| − ε)²,   or γ · ‖w − W‖²/(out·in)        W: [out, in], frozen
//!
//! Trains a and b: r·(out + in) numbers, and as many multiply-adds a row of x where a whole weight has out·in. W is kept
//! only where a penalty holds the product near it. Its largest difference is looked for off the tape, some rows at a
//! time: no array of the size of W is made, and the slope is that of one row of b and one column of a.

use super::{Leaf, Leaves, Scope, Weight};
use crate::Result;
use rankine_tensor::{
    Frozen, Tensor, Var,
    ops::{self, Activation},
};
use std::sync::Arc;

/// Two thin factors.
#[derive(Debug)]
pub struct Factored {
    a: Leaf,
    b: Leaf,
    near: Option<Near>,
}

/// What the product is held near, and how firmly.
#[derive(Debug)]
struct Near {
    original: Leaf,
    factor: f32,
    distance: Distance,
}

/// How far a product is from the weight that it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// (max|w − W| − ε)².
    Largest {
        /// ε.
        tolerance: f32,
    },
    /// ‖w − W‖²/(out·in), in the Frobenius norm.
    MeanSquare,
}

/// Rows of W that are looked at together.
const ROWS: usize = 256;

impl Factored {
    /// Trained factors; a: [r, in], b: [out, r].
    pub fn new(a: &Tensor, b: &Tensor) -> Self {
        let [a, b] = [a, b].map(|start| Leaf::Trained(Var::from_tensor(start)));
        Self { a, b, near: None }
    }

    /// Adds `factor` · distance of the product from `original` to the loss; original: [out, in].
    pub fn held_near(self, original: impl Into<Frozen>, factor: f32, distance: Distance) -> Self {
        Self { near: Some(Near { original: Leaf::Frozen(original.into()), factor, distance }), ..self }
    }

    /// a and b as they are now; [r, in] and [out, r].
    pub fn factors(&self) -> [Tensor; 2] {
        [&self.a, &self.b].map(Leaf::tensor)
    }

    /// x·aᵀ, what b sees; [t, r].
    fn projected(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::linear(x, &self.a.tensor())?)
    }

    /// The entry of w − W that is farthest from 0; [1, 1].
    fn largest(&self, original: &Frozen) -> Result<Tensor> {
        let [a, b] = self.factors();
        let [row, column] = farthest(&a.detach(), &b.detach(), original)?;
        let product = b.narrow(0, row, 1)?.matmul(&a.narrow(1, column, 1)?)?;
        let goal = ops::frozen_rows(original, &Arc::from([row as u32]))?.narrow(1, column, 1)?;
        Ok(product.sub(&goal)?)
    }
}

/// Row and column of the largest |b·a − original|, off the tape; the first of equal ones.
fn farthest(a: &Tensor, b: &Tensor, original: &Frozen) -> Result<[usize; 2]> {
    let [outputs, inputs] = original.matrix("factored")?;
    let (mut largest, mut place) = (-1.0, 0);
    for start in (0..outputs).step_by(ROWS) {
        let rows = ROWS.min(outputs - start);
        let ids = (start as u32..(start + rows) as u32).collect();
        let off = ops::frozen_rows(original, &ids)?.minus_product(&b.narrow(0, start, rows)?, a, 1.0)?;
        off.read(|off| {
            for (at, difference) in off.iter().map(|difference| difference.abs()).enumerate() {
                if largest < difference {
                    (largest, place) = (difference, start * inputs + at);
                }
            }
        });
    }
    Ok([place / inputs.max(1), place % inputs.max(1)])
}

impl Leaves for Factored {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("a", &self.a);
        visit("b", &self.b);
        self.near.iter().for_each(|near| visit("original", &near.original));
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("a", &mut self.a);
        visit("b", &mut self.b);
        self.near.iter_mut().for_each(|near| visit("original", &mut near.original));
    }
}

impl Weight for Factored {
    fn dense(&self) -> Result<Tensor> {
        Ok(self.b.tensor().matmul(&self.a.tensor())?)
    }

    fn apply(&self, x: &Tensor, _scope: Scope<'_>) -> Result<Tensor> {
        Ok(ops::linear(&self.projected(x)?, &self.b.tensor())?)
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, _scope: Scope<'_>) -> Result<Tensor> {
        Ok(ops::affine(&self.projected(x)?, &self.b.tensor(), bias, activation)?)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        Ok(ops::embedding(&self.b.tensor(), ids)?.matmul(&self.a.tensor())?)
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        Ok(ops::losses(&self.projected(x)?, &self.b.tensor(), targets)?)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        Ok(ops::score(&self.projected(x)?, &self.b.tensor(), targets)?)
    }

    fn penalty(&self) -> Result<Option<Tensor>> {
        let Some(Near { original, factor, distance }) = &self.near else { return Ok(None) };
        let original = original.constant();
        let distance = match *distance {
            Distance::Largest { tolerance } => {
                let beyond = self.largest(&original)?.abs().shift(-tolerance);
                beyond.mul(&beyond)?.sum()
            }
            Distance::MeanSquare => {
                let off = self.dense()?.sub(&original.tensor())?;
                off.mul(&off)?.mean()
            }
        };
        Ok(Some(distance.scale(*factor)))
    }
}
