//! ggml's block formats, NF4 and the 16-bit floats, to f32.
//!
//! A quantised tensor is a row of equal blocks; a block holds [`Format::block_elements`] numbers in
//! [`Format::block_bytes`] bytes, little endian, and decodes without its neighbours. Every decoder rounds in the
//! order of ggml's reference (`(scale · subscale) · q`, then `− minimum`), so results agree with it bit for bit.
//!
//! | file | formats | numbers in a block |
//! | --- | --- | --- |
//! | `blocks.rs` | Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q8_1 | 32, one scale |
//! | `superblocks.rs` | Q2_K … Q6_K, Q8_K | 256, a scale of scales |
//! | `nf4.rs` | NF4, plain and with double quantisation; with its quantiser | 64, one scale |
//! | `floats.rs` | f16, bf16 | 1 |
//!
//! `block.rs` has the loops over them.

mod block;
mod blocks;
mod floats;
pub(crate) mod nf4;
mod superblocks;

pub(crate) use block::{dots, sums};
pub(crate) use floats::{bf16_dots, f16_dots};
pub use floats::{bf16_to_f32, f16_to_f32};

use rayon::prelude::*;
use std::fmt;

/// A ggml block format, by ggml's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are ggml's; the module doc says what they hold")]
pub enum Format {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
}

impl Format {
    /// Every format, in the order of ggml's type numbers.
    pub const ALL: [Self; 12] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q8_1,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q8K,
    ];

    /// How many numbers a block holds.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::Q8_1 => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::Q8K => 256,
        }
    }

    /// How many bytes a block takes.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q8_1 => 36,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Q8K => 292,
        }
    }

    /// ggml's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q8_1 => "Q8_1",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Q8K => "Q8_K",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The bytes do not hold as many numbers as there are places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthMismatch {
    /// The storage format's name.
    pub format: &'static str,
    /// Bytes given.
    pub bytes: usize,
    /// Numbers asked for.
    pub elements: usize,
}

impl fmt::Display for LengthMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, bytes, elements } = self;
        write!(f, "{bytes} bytes of {format} do not hold {elements} numbers")
    }
}

impl std::error::Error for LengthMismatch {}

/// Decodes whole blocks of `format` into `out`, on all of rayon's threads when there are many.
///
/// `blocks.len() = n · block_bytes`, `out.len() = n · block_elements`; anything else is an error and leaves `out` as it was.
pub fn dequantize(format: Format, blocks: &[u8], out: &mut [f32]) -> Result<(), LengthMismatch> {
    let sizes = [format.block_bytes(), format.block_elements()];
    in_blocks(format.name(), sizes, blocks, out, |blocks, out| block::widen(format, blocks, out))
}

/// `widen` over blocks of so many bytes and numbers, many of them on all threads.
fn in_blocks(
    format: &'static str,
    [bytes, elements]: [usize; 2],
    blocks: &[u8],
    out: &mut [f32],
    widen: impl Fn(&[u8], &mut [f32]) + Sync,
) -> Result<(), LengthMismatch> {
    let whole = blocks.len().is_multiple_of(bytes) && out.len().is_multiple_of(elements);
    if !whole || blocks.len() / bytes != out.len() / elements {
        return Err(LengthMismatch { format, bytes: blocks.len(), elements: out.len() });
    }
    let grain = GRAIN / elements;
    if out.len() <= GRAIN {
        widen(blocks, out);
    } else {
        let pairs = blocks.par_chunks(grain * bytes).zip(out.par_chunks_mut(grain * elements));
        pairs.for_each(|(blocks, out)| widen(blocks, out));
    }
    Ok(())
}

/// Numbers one task decodes: large enough that handing it to a thread costs nothing beside it.
pub(crate) const GRAIN: usize = 1 << 15;

#[cfg(test)]
pub(crate) mod tests;
