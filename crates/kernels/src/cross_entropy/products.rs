//! The two products of a head with a chunk of its vocabulary, in f32 or in bf16.
//!
//!     z = x·Wᵀ    sum += p·W        x: [rows, width]  W: the chunk's [words, width]  z, p: [rows, words]  sum: [rows, width]
//!
//! In bf16 where W is stored so, the processor multiplies it, and x has 16 rows or more: x is rounded and packed once, W's
//! rows are taken as they lie in memory, p is rounded chunk by chunk, and the packed W of the second product is kept in
//! `Stored`. Otherwise a stored chunk is widened once for both products.

use crate::bf16::{self, Kernel, Layout, Packed, Rounded, Target};
use crate::gemm::{Matrix, MatrixMut, matmul_alone};
use crate::stored::{Operand, Stored};
use std::ops::Range;

/// Some rows of x and the whole of W.
pub(super) struct Products<'a> {
    weight: Operand<'a>,
    /// [_, width].
    x: &'a [f32],
    pub width: usize,
    bf16: Option<Bf16<'a>>,
}

struct Bf16<'a> {
    kernel: Kernel,
    weight: &'a Stored,
    /// xᵀ.
    x: Packed,
}

/// Memory of a task, kept from chunk to chunk.
#[derive(Default)]
pub(super) struct Scratch {
    widened: Vec<f32>,
    rounded: Rounded,
}

impl<'a> Products<'a> {
    pub fn new(weight: Operand<'a>, x: &'a [f32], width: usize) -> Self {
        let rows = x.len().checked_div(width).unwrap_or(0);
        let bf16 = match weight {
            Operand::Stored(weight) => weight.kernel(rows).map(|kernel| Bf16 {
                kernel,
                weight,
                x: Packed::transposed(x, rows, width),
            }),
            Operand::Wide(_) => None,
        };
        Self { weight, x, width, bf16 }
    }

    /// Makes what [`Chunk::add`] needs of the whole of W, with all threads.
    pub fn prepare_to_add(&self) {
        if let Some(Bf16 { weight, .. }) = &self.bf16 {
            weight.panels();
        }
    }

    /// A chunk of the vocabulary.
    pub fn chunk<'b>(&'b self, words: Range<usize>, scratch: &'b mut Scratch) -> Chunk<'b> {
        let Scratch { widened, rounded } = scratch;
        let weight = match &self.bf16 {
            Some(bf16) => Weight::Bf16 { bf16, rounded },
            None => {
                let rows = self.weight.rows(words.clone(), self.width, widened);
                Weight::Wide(Matrix::new(rows, words.len(), self.width))
            }
        };
        Chunk { products: self, words, weight }
    }
}

/// Some words.
pub(super) struct Chunk<'a> {
    products: &'a Products<'a>,
    words: Range<usize>,
    weight: Weight<'a>,
}

enum Weight<'a> {
    Wide(Matrix<'a>),
    Bf16 { bf16: &'a Bf16<'a>, rounded: &'a mut Rounded },
}

impl Chunk<'_> {
    /// z = x·Wᵀ for some rows of x; logits: [rows, words].
    pub fn logits(&self, rows: &Range<usize>, logits: &mut Vec<f32>) {
        let (Products { x, width, .. }, words) = (self.products, self.words.len());
        logits.resize(rows.len() * words, 0.0);
        match &self.weight {
            Weight::Wide(weight) => {
                let x = Matrix::new(&x[rows.start * width..rows.end * width], rows.len(), *width);
                let z = MatrixMut::new(logits, rows.len(), words);
                matmul_alone(z, x, weight.t(), 1.0, false);
            }
            Weight::Bf16 { bf16: Bf16 { kernel, weight, x }, .. } => {
                let z = Target { data: logits, layout: Layout::Transposed, accumulate: false };
                bf16::alone(*kernel, weight.numbers(self.words.clone()), x.panels().columns(rows.clone()), z);
            }
        }
    }

    /// sum += p·W; p: [rows, words], sum: [rows, width].
    pub fn add(&mut self, p: &[f32], rows: usize, sum: &mut [f32]) {
        let (width, words) = (self.products.width, self.words.len());
        match &mut self.weight {
            Weight::Wide(weight) => {
                let sum = MatrixMut::new(sum, rows, width);
                matmul_alone(sum, Matrix::new(p, rows, words), *weight, 1.0, true);
            }
            Weight::Bf16 { bf16: Bf16 { kernel, weight, .. }, rounded } => {
                rounded.refill(p);
                let sum = Target { data: sum, layout: Layout::Straight, accumulate: true };
                bf16::alone(
                    *kernel,
                    rounded.rows(rows, words),
                    weight.panels().depth(self.words.clone()),
                    sum,
                );
            }
        }
    }
}
