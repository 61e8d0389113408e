//! A frozen weight with a low-rank branch, in one call.
//!
//!     y = x·Wᵀ + s·p·Bᵀ,  p = x̃·Aᵀ
//!     x, x̃: [rows, in]  W: [out, in]  A: [r, in]  B: [out, r]  p: [rows, r], kept  y: [rows, out]
//!
//!     dp = s·dy·B    dx = dy·W    dx̃ = dp·A    dA = dpᵀ·x̃    dB = s·dyᵀ·p
//!
//! x̃ is x, or x with dropout applied by the caller. dW is never formed: beside the two products with W, all costs
//! are r/in or r/out of them. r may be 0, which leaves the frozen weight.

use crate::gemm::{Matrix, matmul};
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
        self.weight.times_transposed(x, y, self.inputs);
        matmul(projected, self.input(branch_input, rows), self.a().t(), 1.0, false);
        if self.rank > 0 {
            matmul(y, Matrix::new(projected, rows, self.rank), self.b().t(), self.scale, true);
        }
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
        mut dx: Option<&mut [f32]>,
        dbranch: Option<&mut [f32]>,
        da: &mut [f32],
        db: &mut [f32],
    ) {
        let rows = self.rows(branch_input, projected);
        let dy = Matrix::new(dy, rows, self.outputs);
        let mut dp = vec![0.0; rows * self.rank];
        matmul(&mut dp, dy, self.b(), self.scale, false);
        let dp = Matrix::new(&dp, rows, self.rank);
        if let Some(dx) = dx.as_deref_mut() {
            self.weight.times(dy.data, dx, self.inputs);
        }
        match (dbranch, dx) {
            (Some(dbranch), _) => matmul(dbranch, dp, self.a(), 1.0, false),
            (None, Some(dx)) => matmul(dx, dp, self.a(), 1.0, true),
            (None, None) => {}
        }
        matmul(da, dp.t(), self.input(branch_input, rows), 1.0, false);
        matmul(db, dy.t(), Matrix::new(projected, rows, self.rank), self.scale, false);
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

    fn a(&self) -> Matrix<'_> {
        Matrix::new(self.a, self.rank, self.inputs)
    }

    fn b(&self) -> Matrix<'_> {
        Matrix::new(self.b, self.outputs, self.rank)
    }
}
