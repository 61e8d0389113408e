//! Products with a frozen matrix that stays in its storage type: bf16, f16, blocks of ggml, or NF4.
//!
//!     y = x·Wᵀ    dx = dy·W        W: [rows, columns]  x, dx: [t, columns]  y, dy: [t, rows]
//!
//! W is never widened as a whole. A task widens a piece of at most `PIECE` numbers to f32, into a buffer that stays in the
//! second-level cache, and multiplies it there: forward a range of W's rows, which is a range of y's columns;
//! backward a range of W's columns, over all of its rows piece by piece. Every number of W is widened once a product, which
//! costs one pass beside t multiply-adds; memory traffic for W is that of its stored size. Widening is exact, so the
//! products are those of the widened matrix up to the order of sums.
//!
//! One or two rows of x (a generated token) meet W as it is stored: a dot product widens in registers. A few more rows meet
//! the pieces as dot products, as in `matvec.rs`.
//!
//! A bf16 matrix is not widened at all, from 16 rows of x on, where the processor multiplies bf16 (`cpu.rs`: from
//! [`Level::Avx512Bf16`](crate::cpu::Level) on). x and dy are then rounded to bf16, to nearest with ties to even, which
//! is what training in bf16 does anyway: a relative error of up to 2⁻⁹ of each of their numbers, sums in f32.
//!
//!     y = (W·xᵀ)ᵀ    rows of W as they lie in memory, x packed, 2·t·columns bytes, each time
//!     dx = dy·W      dy rounded, 2·t·rows bytes, each time; W packed once, when it is first needed
//!
//! The packed W is kept: training through a frozen bf16 matrix takes its size a second time, together what f32 would take.
//! Generating and scoring make no packed copy.

mod encoding;

pub use encoding::Encoding;

use crate::bf16::{self, Kernel, Layout, Packed, Panels, Rounded, Rows, Target};
use crate::dequantize::{self, LengthMismatch, nf4};
use crate::gemm::{Matrix, MatrixMut, matmul, matmul_columns};
use crate::vectorise::LANES;
use crate::{matvec, tasks};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// Numbers in a widened piece: 512 KiB of f32.
const PIECE: usize = 128 * 1024;

/// The most columns of a piece in the backward product.
const WIDE: usize = 256;

/// A frozen matrix; row-major, every row a whole number of blocks, of which the last of NF4 may be a short one.
pub struct Stored {
    encoding: Encoding,
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
    /// The matrix as the right operand of a bf16 product, once there was one.
    packed: OnceLock<Packed>,
}

impl Clone for Stored {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), packed: OnceLock::new(), ..*self }
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        let key = |stored: &Self| (stored.encoding, stored.rows, stored.columns);
        key(self) == key(other) && self.bytes == other.bytes
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoding, rows, columns, .. } = self;
        f.debug_struct("Stored").field("encoding", encoding).field("shape", &[rows, columns]).finish()
    }
}

impl Stored {
    /// A matrix from its bytes.
    ///
    /// # Errors
    /// When the bytes are not those of `rows` rows of whole blocks.
    pub fn new(
        encoding: Encoding,
        rows: usize,
        columns: usize,
        bytes: Vec<u8>,
    ) -> Result<Self, LengthMismatch> {
        if encoding.bytes(rows, columns) != Some(bytes.len()) {
            let elements = rows.saturating_mul(columns);
            return Err(LengthMismatch { format: encoding.name(), bytes: bytes.len(), elements });
        }
        Ok(Self { encoding, rows, columns, bytes, packed: OnceLock::new() })
    }

    /// A matrix rounded to bf16, to nearest with ties to even; `values`: [rows, columns].
    ///
    /// # Panics
    /// When there are not as many values.
    pub fn bf16(values: &[f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "numbers of a [{rows}, {columns}] matrix");
        let mut bytes = vec![0; 2 * values.len()];
        bf16::round(values, bytes.as_chunks_mut().0);
        Self { encoding: Encoding::Bf16, rows, columns, bytes, packed: OnceLock::new() }
    }

    /// A matrix in NF4, every number rounded to the nearest code; `values`: [rows, columns]. A block with a NaN widens to
    /// NaN.
    ///
    /// # Panics
    /// When there are not as many values.
    pub fn nf4(values: &[f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "numbers of a [{rows}, {columns}] matrix");
        let bytes = nf4::quantize(values, columns);
        Self { encoding: Encoding::Nf4, rows, columns, bytes, packed: OnceLock::new() }
    }

    /// The same with double quantisation: scales in eight bits.
    ///
    /// # Panics
    /// When there are not as many values.
    pub fn nf4_double(values: &[f32], rows: usize, columns: usize) -> Self {
        let plain = Self::nf4(values, rows, columns);
        Self { encoding: Encoding::Nf4Double, bytes: nf4::doubled(&plain.bytes), ..plain }
    }

    /// How its numbers are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Bytes it takes, without a packed copy.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What multiplies it as bf16, where it is, the processor can and there are many rows of the other operand.
    pub(crate) fn kernel(&self, rows: usize) -> Option<Kernel> {
        Kernel::best().filter(|_| self.encoding == Encoding::Bf16 && matvec::ROWS < rows)
    }

    /// Some rows of a bf16 matrix.
    pub(crate) fn numbers(&self, rows: Range<usize>) -> Rows<'_> {
        let numbers = &self.bytes.as_chunks().0[rows.start * self.columns..rows.end * self.columns];
        Rows::new(numbers, rows.len(), self.columns)
    }

    /// A bf16 matrix packed as a right operand; made when first asked for. Threads that ask together may make it more
    /// than once, but none waits for another, which a task of a pool must not do.
    pub(crate) fn panels(&self) -> Panels<'_> {
        if let Some(packed) = self.packed.get() {
            return packed.panels();
        }
        let packed = Packed::straight(self.numbers(0..self.rows));
        self.packed.get_or_init(|| packed).panels()
    }

    /// Some rows as f32 into `out`: [rows, columns].
    ///
    /// # Panics
    /// When they are not rows of it, or `out` has another length.
    pub fn widen(&self, rows: Range<usize>, out: &mut [f32]) {
        assert!(rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        assert!(out.len() == rows.len() * self.columns, "length of {} widened rows", rows.len());
        if !self.columns.is_multiple_of(self.encoding.block_elements()) {
            return self.part(rows, &(0..self.columns), out);
        }
        let row = self.row_blocks();
        let widened = self.encoding.widen(&self.blocks(rows.start * row..rows.end * row), out);
        debug_assert!(widened.is_ok(), "rows are whole blocks");
    }

    /// `y = x·Wᵀ`; x: [t, columns], y: [t, rows].
    ///
    /// # Panics
    /// When lengths do not fit together.
    pub fn times_transposed(&self, x: &[f32], y: &mut [f32]) {
        let t = self.tokens(x.len(), y.len());
        let x = Matrix::new(x, t, self.columns);
        if (1..=matvec::STREAM).contains(&t) {
            return self.dots(x.data, t, y);
        }
        if (1..=matvec::ROWS).contains(&t) {
            return matvec::made(y, x, self.rows, |rows, piece| self.widen(rows, piece));
        }
        if let Some(kernel) = self.kernel(t) {
            let x = Packed::transposed(x.data, t, self.columns);
            let y = Target { data: y, layout: Layout::Transposed, accumulate: false };
            return bf16::shared(kernel, self.numbers(0..self.rows), x.panels(), y);
        }
        let step = (PIECE / self.columns.max(1)).clamp(1, WIDE / 2);
        let y = MatrixMut::new(y, t, self.rows);
        matmul_columns(y, (step, LANES), |columns, target| {
            tasks::with_buffer(columns.len() * self.columns, |piece| {
                self.widen(columns.clone(), piece);
                target.fill(x, Matrix::new(piece, columns.len(), self.columns).t(), false);
            });
        });
    }

    /// `y = x·Wᵀ` for few rows of x, on W as it is stored; x: [t, columns], y: [t, rows].
    fn dots(&self, x: &[f32], t: usize, y: &mut [f32]) {
        let row = self.row_blocks();
        // A short block is multiplied as a whole one.
        let columns = row * self.encoding.block_elements();
        let x = padded(x, self.columns, columns);
        let mut x_sums = vec![0.0; t * columns / LANES];
        dequantize::sums(&x, &mut x_sums);
        matvec::stored(y, [t, self.rows, columns], |rows, at, y| {
            let x_sums = &x_sums[at * columns / LANES..(at + 1) * columns / LANES];
            let x = &x[at * columns..][..columns];
            self.encoding.dots(&self.blocks(rows.start * row..rows.end * row), x, x_sums, y);
        });
    }

    /// `dx = dy·W`; dy: [t, rows], dx: [t, columns].
    ///
    /// # Panics
    /// When lengths do not fit together.
    pub fn times(&self, dy: &[f32], dx: &mut [f32]) {
        let t = self.tokens(dx.len(), dy.len());
        if let Some(kernel) = self.kernel(t) {
            let dx = Target { data: dx, layout: Layout::Straight, accumulate: false };
            return bf16::shared(kernel, Rounded::new(dy).rows(t, self.rows), self.panels(), dx);
        }
        let unit = self.encoding.block_elements().next_multiple_of(LANES);
        let dx = MatrixMut::new(dx, t, self.columns);
        matmul_columns(dx, (WIDE, unit), |columns, target| {
            let deep = (PIECE / columns.len()).max(1).min(self.rows);
            tasks::with_buffer(deep * columns.len(), |buffer| {
                for start in (0..self.rows).step_by(deep) {
                    let rows = start..(start + deep).min(self.rows);
                    let piece = &mut buffer[..rows.len() * columns.len()];
                    self.part(rows.clone(), columns, piece);
                    let dy = Matrix {
                        data: &dy[rows.start.min(dy.len())..],
                        rows: t,
                        columns: rows.len(),
                        row_stride: self.rows,
                        column_stride: 1,
                    };
                    target.fill(dy, Matrix::new(piece, rows.len(), columns.len()), start > 0);
                }
            });
        });
    }

    /// Some rows and some columns as f32; the columns start with a block, and end with one or with the row.
    fn part(&self, rows: Range<usize>, columns: &Range<usize>, piece: &mut [f32]) {
        let elements = self.encoding.block_elements();
        let inside = columns.start / elements..columns.end.div_ceil(elements);
        for (row, out) in rows.zip(piece.chunks_exact_mut(columns.len())) {
            let start = row * self.row_blocks();
            let blocks = self.blocks(start + inside.start..start + inside.end);
            let widened = self.encoding.widen(&blocks, out);
            debug_assert!(widened.is_ok(), "a row is whole blocks");
        }
    }

    /// Some blocks as they are decoded: those of double quantisation get their scales back.
    fn blocks(&self, blocks: Range<usize>) -> Cow<'_, [u8]> {
        let size = self.encoding.block_bytes();
        let bytes = &self.bytes[blocks.start * size..blocks.end * size];
        match self.encoding {
            Encoding::Nf4Double => {
                let tail = &self.bytes[self.rows * self.row_blocks() * size..];
                Cow::Owned(nf4::plain(bytes, blocks.start, tail))
            }
            Encoding::Bf16 | Encoding::F16 | Encoding::Blocks(_) | Encoding::Nf4 => Cow::Borrowed(bytes),
        }
    }

    fn row_blocks(&self) -> usize {
        self.columns.div_ceil(self.encoding.block_elements())
    }

    /// t, from the lengths of a [t, columns] and a [t, rows] matrix.
    fn tokens(&self, wide: usize, tall: usize) -> usize {
        let t = wide.checked_div(self.columns).unwrap_or(0);
        assert!(
            wide == t * self.columns && tall == t * self.rows,
            "[t, {}] and [t, {}] of {wide} and {tall} numbers",
            self.columns,
            self.rows
        );
        t
    }
}

/// Rows of `from` numbers with zeros behind them, `to` in all.
fn padded(x: &[f32], from: usize, to: usize) -> Cow<'_, [f32]> {
    if from == to {
        return Cow::Borrowed(x);
    }
    let mut wide = vec![0.0; x.len() / from * to];
    wide.chunks_exact_mut(to).zip(x.chunks_exact(from)).for_each(|(wide, x)| wide[..from].copy_from_slice(x));
    Cow::Owned(wide)
}

/// A frozen matrix [rows, columns] as kernels take it: f32, or stored.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// In f32, row-major.
    Wide(&'a [f32]),
    /// In a storage type.
    Stored(&'a Stored),
}

impl<'a> From<&'a [f32]> for Operand<'a> {
    fn from(numbers: &'a [f32]) -> Self {
        Self::Wide(numbers)
    }
}

impl<'a> Operand<'a> {
    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        match self {
            Self::Wide(numbers) => numbers.len(),
            Self::Stored(stored) => stored.rows * stored.columns,
        }
    }

    /// `y = x·Wᵀ`; x: [t, columns], y: [t, rows].
    ///
    /// # Panics
    /// When lengths do not fit together.
    pub fn times_transposed(&self, x: &[f32], y: &mut [f32], columns: usize) {
        match self {
            Self::Wide(numbers) => {
                let [t, rows] =
                    [x.len(), numbers.len()].map(|length| length.checked_div(columns).unwrap_or(0));
                let weight = Matrix::new(numbers, rows, columns);
                matmul(y, Matrix::new(x, t, columns), weight.t(), 1.0, false);
            }
            Self::Stored(stored) => stored.times_transposed(x, y),
        }
    }

    /// `dx = dy·W`; dy: [t, rows], dx: [t, columns].
    ///
    /// # Panics
    /// When lengths do not fit together.
    pub fn times(&self, dy: &[f32], dx: &mut [f32], columns: usize) {
        match self {
            Self::Wide(numbers) => {
                let [t, rows] =
                    [dx.len(), numbers.len()].map(|length| length.checked_div(columns).unwrap_or(0));
                matmul(dx, Matrix::new(dy, t, rows), Matrix::new(numbers, rows, columns), 1.0, false);
            }
            Self::Stored(stored) => stored.times(dy, dx),
        }
    }

    /// Some rows, in `buffer` where they have to be widened.
    pub(crate) fn rows<'b>(&self, rows: Range<usize>, columns: usize, buffer: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::Wide(numbers) => &numbers[rows.start * columns..rows.end * columns],
            Self::Stored(stored) => {
                buffer.resize(rows.len() * columns, 0.0);
                stored.widen(rows, buffer);
                buffer
            }
        }
    }
}

#[cfg(test)]
mod tests;
