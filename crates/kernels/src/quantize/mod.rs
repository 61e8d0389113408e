//! f32 to ggml's block formats, as ggml's reference quantisers do it: the reverse of [`dequantize`](crate::dequantize).
//!
//! | file | formats | how scales are found |
//! | --- | --- | --- |
//! | `blocks.rs` | Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q8_1 | from the largest number, or from the smallest and the largest |
//! | `superblocks.rs` | Q2_K … Q6_K, Q8_K | by a search over scales for each group, then a scale of the scales |
//! | `search.rs` | | the searches |
//!
//! The arithmetic is ggml's, in f32 and in its order (`quantize_row_*_ref`, no importance matrix), so that a block has the bytes
//! that ggml gives it. What comes out of a basic format goes into it again unchanged; the searches of the K formats may settle
//! elsewhere the second time. The scales are f16: numbers beyond some 65504 times the levels become infinite, and blocks with a
//! number that is not finite hold nothing of use; whoever quantises compares what comes back.

mod blocks;
mod search;
mod superblocks;

use crate::dequantize::{Format, GRAIN, LengthMismatch};
use half::f16;
use rayon::prelude::*;

/// Encodes `values` as whole blocks of `format`, on all of rayon's threads when there are many.
///
/// `values.len() = n · block_elements`, `out.len() = n · block_bytes`; anything else is an error and leaves `out` as it was.
pub fn quantize(format: Format, values: &[f32], out: &mut [u8]) -> Result<(), LengthMismatch> {
    let (bytes, elements) = (format.block_bytes(), format.block_elements());
    let whole = out.len().is_multiple_of(bytes) && values.len().is_multiple_of(elements);
    if !whole || out.len() / bytes != values.len() / elements {
        return Err(LengthMismatch { format: format.name(), bytes: out.len(), elements: values.len() });
    }
    let grain = GRAIN / elements;
    if values.len() <= GRAIN {
        encode(format, values, out);
    } else {
        let pairs = values.par_chunks(grain * elements).zip(out.par_chunks_mut(grain * bytes));
        pairs.for_each(|(values, out)| encode(format, values, out));
    }
    Ok(())
}

fn encode(format: Format, values: &[f32], out: &mut [u8]) {
    match format {
        Format::Q4_0 => each(values, out, blocks::q4_0),
        Format::Q4_1 => each(values, out, blocks::q4_1),
        Format::Q5_0 => each(values, out, blocks::q5_0),
        Format::Q5_1 => each(values, out, blocks::q5_1),
        Format::Q8_0 => each(values, out, blocks::q8_0),
        Format::Q8_1 => each(values, out, blocks::q8_1),
        Format::Q2K => each(values, out, superblocks::q2_k),
        Format::Q3K => each(values, out, superblocks::q3_k),
        Format::Q4K => each(values, out, superblocks::q4_k),
        Format::Q5K => each(values, out, superblocks::q5_k),
        Format::Q6K => each(values, out, superblocks::q6_k),
        Format::Q8K => each(values, out, superblocks::q8_k),
    }
}

fn each<const ELEMENTS: usize, const BYTES: usize>(
    values: &[f32],
    out: &mut [u8],
    encode: impl Fn(&[f32; ELEMENTS], &mut [u8; BYTES]),
) {
    let blocks = out.as_chunks_mut::<BYTES>().0.iter_mut();
    blocks.zip(values.as_chunks::<ELEMENTS>().0).for_each(|(block, values)| encode(values, block));
}

/// Writes `value` as f16 at byte `at` of a block; returns what is stored.
fn put_half(block: &mut [u8], at: usize, value: f32) -> f32 {
    let half = f16::from_f32(value);
    block[at..at + 2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// The number of the largest magnitude with its sign, the first of several.
fn extreme(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |found: f32, &x| if found.abs() < x.abs() { x } else { found })
}

#[cfg(test)]
mod tests;
