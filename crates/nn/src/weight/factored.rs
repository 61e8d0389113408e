//! A weight that is the product of two thin matrices, and nothing else:
//!
//!     w = b·a,   y = (x·aᵀ)·bᵀ        a: [r, in]  b: [out, r]
//!     penalty = γ · (max|w − W| − ε)²,   or γ · ‖w − W‖²/(out·in)        W: [out, in], frozen
//!
//! Trains a and b: r·(out + in) numbers, and as many multiply-adds a row of x where a whole weight has out·in. W is kept
//! only where a penalty holds the product near it. Its largest difference is looked for off the tape, some rows at a
//! time: no array of the size of W is made, and the slope is that of one row of b and one column of a.
//!
//! A convolution's taps are a matrix [out, in·height·width] to it. It is two convolutions in a row: a with the kernel of
//! the whole one into r channels, and b with a kernel of 1 × 1.

use super::{Dense, Leaf, Leaves, Scope, Weight, convolve};
use crate::Result;
use rankine_tensor::{
    Frozen, Tensor,
    ops::{self, Activation, Convolution},
};
use std::sync::Arc;

/// Two thin factors.
#[derive(Debug)]
pub struct Factored {
    a: Dense,
    b: Dense,
    near: Option<Near>,
    /// Of the taps, where it is those of a convolution: [out, in, height, width].
    taps: Option<[usize; 4]>,
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
        Self { a: Dense::trained(a), b: Dense::trained(b), near: None, taps: None }
    }

    /// Frozen factors; a: [r, in], b: [out, r].
    pub fn frozen(a: impl Into<Frozen>, b: impl Into<Frozen>) -> Self {
        Self { a: Dense::frozen(a), b: Dense::frozen(b), near: None, taps: None }
    }

    /// The dense weight has this shape, of as many numbers: that of a matrix, or of the taps of a convolution.
    pub fn folded(self, shape: &[usize]) -> Self {
        Self { taps: shape.try_into().ok(), ..self }
    }

    /// Adds `factor` · distance of the product from `original` to the loss; original: [out, in].
    pub fn held_near(self, original: impl Into<Frozen>, factor: f32, distance: Distance) -> Self {
        Self { near: Some(Near { original: Leaf::Frozen(original.into()), factor, distance }), ..self }
    }

    /// a and b as they are now; [r, in] and [out, r].
    pub fn factors(&self) -> Result<[Tensor; 2]> {
        Ok([self.a.dense()?, self.b.dense()?])
    }

    /// The same as the layers of a file: of a convolution [r, in, height, width] and [out, r, 1, 1].
    pub fn layers(&self) -> Result<[Tensor; 2]> {
        let factors = self.factors()?;
        match self.taps {
            Some(taps) => as_taps(&factors, taps),
            None => Ok(factors),
        }
    }

    /// b·a; [out, in].
    fn product(&self) -> Result<Tensor> {
        let [a, b] = self.factors()?;
        Ok(b.matmul(&a)?)
    }

    /// The entry of w − W that is farthest from 0; [1, 1].
    fn largest(&self, original: &Frozen) -> Result<Tensor> {
        let [a, b] = self.factors()?;
        let [row, column] = farthest(&a.detach(), &b.detach(), original)?;
        let product = b.narrow(0, row, 1)?.matmul(&a.narrow(1, column, 1)?)?;
        let goal = ops::frozen_rows(original, &Arc::from([row as u32]))?.narrow(1, column, 1)?;
        Ok(product.sub(&goal)?)
    }
}

/// a: [r, in, height, width] and b: [out, r, 1, 1], the factors of taps of this shape.
fn as_taps([a, b]: &[Tensor; 2], [outputs, inputs, height, width]: [usize; 4]) -> Result<[Tensor; 2]> {
    let [rank, _] = a.matrix("factored")?;
    Ok([a.reshape(&[rank, inputs, height, width])?, b.reshape(&[outputs, rank, 1, 1])?])
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
        self.a.leaves(&mut |_, leaf| visit("a", leaf));
        self.b.leaves(&mut |_, leaf| visit("b", leaf));
        self.near.iter().for_each(|near| visit("original", &near.original));
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        self.a.leaves_mut(&mut |_, leaf| visit("a", leaf));
        self.b.leaves_mut(&mut |_, leaf| visit("b", leaf));
        self.near.iter_mut().for_each(|near| visit("original", &mut near.original));
    }
}

impl Weight for Factored {
    fn dense(&self) -> Result<Tensor> {
        let product = self.product()?;
        Ok(match self.taps {
            Some(taps) => product.reshape(&taps)?,
            None => product,
        })
    }

    fn apply(&self, x: &Tensor, scope: Scope<'_>) -> Result<Tensor> {
        self.b.apply(&self.a.apply(x, scope)?, scope)
    }

    fn affine(&self, x: &Tensor, bias: &Tensor, activation: Activation, scope: Scope<'_>) -> Result<Tensor> {
        self.b.affine(&self.a.apply(x, scope)?, bias, activation, scope)
    }

    fn convolve(
        &self,
        x: &Tensor,
        factor: Option<&Tensor>,
        bias: Option<&Tensor>,
        layout: &Convolution,
    ) -> Result<Tensor> {
        // In groups an output sees some of the inputs, and a mixes all.
        let Some(taps) = self.taps.filter(|_| layout.groups == 1) else {
            return convolve(x, &self.dense()?, (factor, bias), layout);
        };
        let [a, b] = as_taps(&self.factors()?, taps)?;
        let first = Convolution { activation: Activation::None, pool: 1, ..*layout };
        let second =
            Convolution { activation: layout.activation, pool: layout.pool, ..Convolution::default() };
        convolve(&ops::conv2d(x, &a, None, &first)?, &b, (factor, bias), &second)
    }

    fn rows(&self, ids: &Arc<[u32]>) -> Result<Tensor> {
        Ok(self.b.rows(ids)?.matmul(&self.a.dense()?)?)
    }

    fn losses(&self, x: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
        self.b.losses(&self.a.apply(x, Scope::QUIET)?, targets)
    }

    fn score(&self, x: &Tensor, targets: &[u32]) -> Result<ops::Scored> {
        self.b.score(&self.a.apply(x, Scope::QUIET)?, targets)
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
                let off = self.product()?.sub(&original.tensor())?;
                off.mul(&off)?.mean()
            }
        };
        Ok(Some(distance.scale(*factor)))
    }
}
