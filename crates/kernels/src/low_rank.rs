//! A frozen weight with a low-rank branch, in one call.
//!
//!     y = x·Wᵀ + s·m·Bᵀ,  m = p·Cᵀ,  p = x̃·Aᵀ
//!     x, x̃: [rows, in]  W: [out, in]  A: [right, in]  C: [left, right]  B: [out, left]  p: [rows, right], kept
//!
//!     q = s·dy·B    dC = qᵀ·p    dp = q·C    dx = dy·W    dx̃ = dp·A    dA = dpᵀ·x̃    dB = s·dyᵀ·m
//!
//! The core C may be a matrix, a diagonal (left = right, m = p ∘ c, dc = Σ q ∘ p over the rows), or missing. x̃ is x, or
//! x with dropout applied by the caller. dW is never formed: beside the two products with W, all costs are r/in or r/out
//! of them. The rank may be 0, which leaves the frozen weight.
//!
//! Threads meet twice each way: for p, then for y, both terms of a tile one after the other; for q, then for dx, dA and dB
//! together.

use crate::gemm::{Matrix, MatrixMut, Sum, Term, matmul, together};
use crate::stored::Operand;
use std::borrow::Cow;

/// What stands between the factors of a branch.
#[derive(Clone, Copy, Debug)]
pub enum Core<'a> {
    /// Nothing: the branch is B·A.
    None,
    /// A diagonal; [rank].
    Diagonal(&'a [f32]),
    /// A matrix; [left, right].
    Dense(&'a [f32]),
}

/// A frozen weight and its branch.
#[derive(Clone, Copy, Debug)]
pub struct LowRank<'a> {
    /// W; [outputs, inputs].
    pub weight: Operand<'a>,
    /// A; [right, inputs].
    pub a: &'a [f32],
    /// C.
    pub core: Core<'a>,
    /// B; [outputs, left].
    pub b: &'a [f32],
    /// s, the factor of the branch.
    pub scale: f32,
    /// Numbers in a row of x.
    pub inputs: usize,
    /// Numbers in a row of y.
    pub outputs: usize,
    /// left and right: columns of B and rows of A. The same number where the core is no matrix.
    pub ranks: [usize; 2],
}

/// Where gradients go; each is overwritten, and made only where it is asked for.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// Of x through W; [rows, inputs].
    pub x: Option<&'a mut [f32]>,
    /// Of x̃; [rows, inputs]. Without it, x̃ is x and its gradient is added to that of x.
    pub branch_input: Option<&'a mut [f32]>,
    /// [right, inputs].
    pub a: Option<&'a mut [f32]>,
    /// Shaped as the core; must not be there without one.
    pub core: Option<&'a mut [f32]>,
    /// [outputs, left].
    pub b: Option<&'a mut [f32]>,
}

impl LowRank<'_> {
    /// `y = x·Wᵀ + s·(x̃·Aᵀ)·Cᵀ·Bᵀ`; x and branch_input (x̃): [rows, inputs]. Overwrites y: [rows, outputs] and
    /// projected (p): [rows, right], which [`backward`](Self::backward) wants.
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
        let middle = self.middle(projected, rows);
        let branch = Matrix::new(&middle, rows, self.ranks[0]);
        terms.push(Term { a: branch, b: self.b().t(), scale: self.scale });
        together(vec![Sum { c: MatrixMut::new(y, rows, self.outputs), terms, accumulate }]);
    }

    /// Gradients of [`forward`](Self::forward) for dy: [rows, outputs].
    ///
    /// # Panics
    /// When the lengths do not fit together.
    pub fn backward(&self, branch_input: &[f32], projected: &[f32], dy: &[f32], gradients: Gradients<'_>) {
        let rows = self.rows(branch_input, projected);
        let [left, right] = self.ranks;
        let dy = Matrix::new(dy, rows, self.outputs);
        let mut q = vec![0.0; rows * left];
        matmul(&mut q, dy, self.b(), self.scale, false);
        if let Some(dcore) = gradients.core {
            self.core_gradient(&q, projected, rows, dcore);
        }
        let dp = self.back(&q, rows);
        let dp = Matrix::new(&dp, rows, right);
        let branch = Term { a: dp, b: self.a(), scale: 1.0 };
        let middle;
        let mut sums = Vec::new();
        if let Some(dx) = gradients.x {
            let (mut terms, accumulate) = match self.weight {
                Operand::Wide(w) => (vec![Term { a: dy, b: self.wide(w), scale: 1.0 }], false),
                Operand::Stored(w) => {
                    w.times(dy.data, dx);
                    (Vec::new(), true)
                }
            };
            terms.extend(gradients.branch_input.is_none().then_some(branch));
            sums.push(Sum { c: MatrixMut::new(dx, rows, self.inputs), terms, accumulate });
        }
        if let Some(dbranch) = gradients.branch_input {
            sums.push(Sum::of(MatrixMut::new(dbranch, rows, self.inputs), branch));
        }
        if let Some(da) = gradients.a {
            let x = self.input(branch_input, rows);
            sums.push(Sum::of(MatrixMut::new(da, right, self.inputs), Term { a: dp.t(), b: x, scale: 1.0 }));
        }
        if let Some(db) = gradients.b {
            middle = self.middle(projected, rows);
            let m = Matrix::new(&middle, rows, left);
            let term = Term { a: dy.t(), b: m, scale: self.scale };
            sums.push(Sum::of(MatrixMut::new(db, self.outputs, left), term));
        }
        together(sums);
    }

    /// m; [rows, left].
    fn middle<'p>(&self, p: &'p [f32], rows: usize) -> Cow<'p, [f32]> {
        match self.core {
            Core::None => Cow::Borrowed(p),
            Core::Diagonal(diagonal) => Cow::Owned(scaled(p, diagonal)),
            Core::Dense(core) => self.through(p, self.core(core).t(), rows),
        }
    }

    /// dp from q; [rows, right].
    fn back<'q>(&self, q: &'q [f32], rows: usize) -> Cow<'q, [f32]> {
        match self.core {
            Core::None => Cow::Borrowed(q),
            Core::Diagonal(diagonal) => Cow::Owned(scaled(q, diagonal)),
            Core::Dense(core) => self.through(q, self.core(core), rows),
        }
    }

    fn through(&self, x: &[f32], core: Matrix<'_>, rows: usize) -> Cow<'static, [f32]> {
        let mut y = vec![0.0; rows * core.columns];
        matmul(&mut y, Matrix::new(x, rows, core.rows), core, 1.0, false);
        Cow::Owned(y)
    }

    fn core_gradient(&self, q: &[f32], p: &[f32], rows: usize, gradient: &mut [f32]) {
        let [left, right] = self.ranks;
        match self.core {
            Core::None => assert!(gradient.is_empty(), "the gradient of a core that is not there"),
            Core::Diagonal(diagonal) => {
                assert_eq!(gradient.len(), diagonal.len(), "length of the gradient of a diagonal");
                gradient.fill(0.0);
                for (q, p) in q.chunks_exact(left.max(1)).zip(p.chunks_exact(right.max(1))) {
                    gradient.iter_mut().zip(q.iter().zip(p)).for_each(|(sum, (q, p))| *sum += q * p);
                }
            }
            Core::Dense(_) => {
                let (q, p) = (Matrix::new(q, rows, left), Matrix::new(p, rows, right));
                matmul(gradient, q.t(), p, 1.0, false);
            }
        }
    }

    /// How many rows there are: from `branch_input`, checked against `projected`.
    fn rows(&self, branch_input: &[f32], projected: &[f32]) -> usize {
        let [left, right] = self.ranks;
        let rows = branch_input.len().checked_div(self.inputs).unwrap_or(0);
        assert_eq!(branch_input.len(), rows * self.inputs, "length of the input of a low-rank branch");
        assert_eq!(projected.len(), rows * right, "length of the projected input of a low-rank branch");
        let fits = match self.core {
            Core::None => left == right,
            Core::Diagonal(diagonal) => left == right && diagonal.len() == right,
            Core::Dense(core) => core.len() == left * right,
        };
        assert!(fits, "shape of the core of a branch of rank {left} and {right}");
        rows
    }

    fn input<'a>(&self, x: &'a [f32], rows: usize) -> Matrix<'a> {
        Matrix::new(x, rows, self.inputs)
    }

    fn wide<'a>(&self, w: &'a [f32]) -> Matrix<'a> {
        Matrix::new(w, self.outputs, self.inputs)
    }

    fn a(&self) -> Matrix<'_> {
        Matrix::new(self.a, self.ranks[1], self.inputs)
    }

    fn core<'c>(&self, core: &'c [f32]) -> Matrix<'c> {
        Matrix::new(core, self.ranks[0], self.ranks[1])
    }

    fn b(&self) -> Matrix<'_> {
        Matrix::new(self.b, self.outputs, self.ranks[0])
    }
}

/// Every row multiplied by the diagonal, number by number.
fn scaled(x: &[f32], diagonal: &[f32]) -> Vec<f32> {
    let mut y = x.to_vec();
    for row in y.chunks_exact_mut(diagonal.len().max(1)) {
        row.iter_mut().zip(diagonal).for_each(|(y, d)| *y *= d);
    }
    y
}
