//! The storage types of a frozen matrix: what each says of its blocks, and who decodes them.

use crate::dequantize::{self, Format, LengthMismatch, nf4};

/// How the numbers of a stored matrix are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The upper half of an f32.
    Bf16,
    /// IEEE 754 binary16.
    F16,
    /// Blocks of ggml.
    Blocks(Format),
    /// NF4 of bitsandbytes: four bits a number, a scale in f32 for every 64 of a row; 0.5625 bytes a number.
    Nf4,
    /// The same with scales in eight bits, double quantisation; 0.516 bytes a number.
    Nf4Double,
}

impl Encoding {
    /// Numbers that are decoded together.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 1,
            Self::Blocks(format) => format.block_elements(),
            Self::Nf4 | Self::Nf4Double => nf4::ELEMENTS,
        }
    }

    /// Bytes that they take.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::Blocks(format) => format.block_bytes(),
            Self::Nf4 => nf4::PLAIN,
            Self::Nf4Double => nf4::DOUBLE,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::Blocks(format) => format.name(),
            Self::Nf4 => "NF4",
            Self::Nf4Double => "NF4 with double quantisation",
        }
    }

    /// Bytes of a matrix; `None` where its rows are no whole blocks, or where there are too many to count.
    pub(super) fn bytes(self, rows: usize, columns: usize) -> Option<usize> {
        let elements = self.block_elements();
        let blocks = rows.checked_mul(columns.div_ceil(elements))?;
        let bytes = blocks.checked_mul(self.block_bytes())?;
        match self {
            Self::Nf4 => Some(bytes),
            Self::Nf4Double => bytes.checked_add(nf4::tail_bytes(blocks)),
            Self::Bf16 | Self::F16 | Self::Blocks(_) => {
                Some(bytes).filter(|_| columns.is_multiple_of(elements))
            }
        }
    }

    /// Numbers of blocks, as `Stored::blocks` gives them.
    pub(super) fn widen(self, bytes: &[u8], out: &mut [f32]) -> Result<(), LengthMismatch> {
        match self {
            Self::Bf16 => dequantize::bf16_to_f32(bytes, out),
            Self::F16 => dequantize::f16_to_f32(bytes, out),
            Self::Blocks(format) => dequantize::dequantize(format, bytes, out),
            Self::Nf4 | Self::Nf4Double => nf4::nf4_to_f32(bytes, out),
        }
    }

    /// The dot product of every row with x; rows: [y, x], x_sums: the sums of x, sixteen by sixteen.
    pub(super) fn dots(self, rows: &[u8], x: &[f32], x_sums: &[f32], y: &mut [f32]) {
        match self {
            Self::Bf16 => dequantize::bf16_dots(rows, x, y),
            Self::F16 => dequantize::f16_dots(rows, x, y),
            Self::Blocks(format) => dequantize::dots(format, rows, x, x_sums, y),
            Self::Nf4 | Self::Nf4Double => nf4::nf4_dots(rows, x, x_sums, y),
        }
    }
}
