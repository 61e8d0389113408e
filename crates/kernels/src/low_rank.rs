//! A frozen weight with a low-rank branch, in one call.
//!
//!     y = x·Wᵀ + s·p·Bᵀ,  p = x̃·Aᵀ
//!     x, x̃: [rows, in]  W: [out, in]  A: [r, in]  B: [out, r]  p: [rows, r], kept  y: [rows, out]
//!
//!     dp = s·dy·B    dx = dy·W    dx̃ = dp·A    dA = dpᵀ·x̃    dB = s·dyᵀ·p
//!
//! x̃ is x, or x with dropout applied by the caller. dW is never formed: beside the two products with W, all costs
//! are r/in or r/out of them. r may be 0, which leaves the frozen weight.
//!
//! Threads meet twice each way: for p, then for y, both terms of a tile one after the other; for dp, then for dx, dA and dB
//! together.

use crate::gemm::{Matrix, MatrixMut, Sum, Term, matmul, together};
use crate::stored::Operand;

/// A frozen weight and its branch.
#[derive(Clone, Copy, Debug)]
pub struct LowRank<'a> {
    /// W; [outputs, inputs].
    pub weight: Operand<'a>,
    /// A; [rank, inputs].
    pub a: &'a [f32],
    /// B; [outputs, rank].
    pub b: &'a [f32],
    /// s, the factor of the branch.
    pub scale: f32,
    /// Numbers in a row of x.
    pub inputs: usize,
    /// Numbers in a row of y.
    pub outputs: usize,
    /// r.
    pub rank: usize,
}

impl LowRank<'_> {
    /// `y = x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ`; x and branch_input (x̃): [rows, inputs]. Overwrites y: [rows, outputs] and
    /// projected (p): [rows, rank], which [`backward`](Self::backward) wants.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn forward(&self, x: &[f32], branch_input: &[f32], y: &mut [f32], projected: &mut [f32]) {
        let rows = self.rows(branch_input, projected);
        assert_eq!(
            self.weight.elements(),
            self.outputs * self.inputs,
            "numbers of a low-rank layer's weight"
        );
        let (x, branch_input) = (self.input(x, rows), self.input(branch_input, rows));
        matmul(projected, branch_input, self.a().t(), 1.0, false);
        let (mut terms, accumulate) = match self.weight {
            Operand::Wide(w) => (vec![Term { a: x, b: self.wide(w).t(), scale: 1.0 }], false),
            Operand::Stored(w) => {
                w.times_transposed(x.data, y);
                (Vec::new(), true)
            }
        };
        terms.push(Term { a: Matrix::new(projected, rows, self.rank), b: self.b().t(), scale: self.scale });
        together(vec![Sum { c: MatrixMut::new(y, rows, self.outputs), terms, accumulate }]);
    }

    /// Gradients of [`forward`](Self::forward) for dy: [rows, outputs]. Overwrites what it is given:
    /// dx: [rows, inputs], the gradient of x through W; dbranch: [rows, inputs], the gradient of x̃; da: [rank,
    /// inputs]; db: [outputs, rank]. Without `dbranch`, x̃ is x and its gradient is added to `dx`.
    ///
    /// # Panics
    /// When the lengths do not fit together.
    #[expect(clippy::too_many_arguments, reason = "one gradient for each input of one formula")]
    pub fn backward(
        &self,
        branch_input: &[f32],
        projected: &[f32],
        dy: &[f32],
        dx: Option<&mut [f32]>,
        dbranch: Option<&mut [f32]>,
        da: &mut [f32],
        db: &mut [f32],
    ) {
        let rows = self.rows(branch_input, projected);
        let dy = Matrix::new(dy, rows, self.outputs);
        let mut dp = vec![0.0; rows * self.rank];
        matmul(&mut dp, dy, self.b(), self.scale, false);
        let dp = Matrix::new(&dp, rows, self.rank);
        let branch = Term { a: dp, b: self.a(), scale: 1.0 };
        let mut sums = Vec::new();
        if let Some(dx) = dx {
            let (mut terms, accumulate) = match self.weight {
                Operand::Wide(w) => (vec![Term { a: dy, b: self.wide(w), scale: 1.0 }], false),
                Operand::Stored(w) => {
                    w.times(dy.data, dx);
                    (Vec::new(), true)
                }
            };
            terms.extend(dbranch.is_none().then_some(branch));
            sums.push(Sum { c: MatrixMut::new(dx, rows, self.inputs), terms, accumulate });
        }
        if let Some(dbranch) = dbranch {
            sums.push(Sum::of(MatrixMut::new(dbranch, rows, self.inputs), branch));
        }
        let (x, p) = (self.input(branch_input, rows), Matrix::new(projected, rows, self.rank));
        let da = MatrixMut::new(da, self.rank, self.inputs);
        let db = MatrixMut::new(db, self.outputs, self.rank);
        sums.push(Sum::of(da, Term { a: dp.t(), b: x, scale: 1.0 }));
        sums.push(Sum::of(db, Term { a: dy.t(), b: p, scale: self.scale }));
        together(sums);
    }

    /// How many rows there are: from `branch_input`, checked against `projected`.
    fn rows(&self, branch_input: &[f32], projected: &[f32]) -> usize {
        let rows = branch_input.len().checked_div(self.inputs).unwrap_or(0);
        assert_eq!(branch_input.len(), rows * self.inputs, "length of the input of a low-rank branch");
        assert_eq!(projected.len(), rows * self.rank, "length of the projected input of a low-rank branch");
        rows
    }

    fn input<'a>(&self, x: &'a [f32], rows: usize) -> Matrix<'a> {
        Matrix::new(x, rows, self.inputs)
    }

    fn wide<'a>(&self, w: &'a [f32]) -> Matrix<'a> {
        Matrix::new(w, self.outputs, self.inputs)
    }

    fn a(&self) -> Matrix<'_> {
        Matrix::new(self.a, self.rank, self.inputs)
    }

    fn b(&self) -> Matrix<'_> {
        Matrix::new(self.b, self.outputs, self.rank)
    }
}
