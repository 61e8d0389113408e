//! NF4: four bits a number, as bitsandbytes has them.
//!
//!     w = absmax · CODES[q]                            absmax: the largest |w| of a block of 64
//!     absmax = offset + largest · DYNAMIC[scale]       with double quantisation; offset: the mean of all absmax
//!
//! | layout | bytes of a block, in order | behind all blocks of the matrix |
//! | --- | --- | --- |
//! | plain | absmax: f32, low: 32 | |
//! | double | scale: u8, low: 32 | offset: f32, then of every 256 blocks their largest \|absmax − offset\|: f32 |
//!
//! Byte `i` of the first sixteen of `low` holds q of number `i` in its lower half and of number `i + 16` in its upper half;
//! the other sixteen hold the numbers from 32 on. A number becomes the nearest code, the lower one of two as near.
//!
//! Blocks stay in their row: a row whose length is no multiple of 64 ends with a short block. bitsandbytes cuts the whole
//! matrix into blocks instead, which is the same where 64 divides the columns.

use super::block::{self, Block};
use super::{LengthMismatch, blocks::nibbles, in_blocks};
use crate::tasks;
use crate::vectorise::{LANES, Vector};

/// Numbers in a block.
pub(crate) const ELEMENTS: usize = 64;
/// Bytes of a block.
pub(crate) const PLAIN: usize = 36;
/// Bytes of a block with double quantisation.
pub(crate) const DOUBLE: usize = 33;
/// Bytes of a plain block before its codes.
const HEAD: usize = 4;
/// Blocks whose scales are quantised together.
const GROUP: usize = 256;
/// What a smaller absmax is divided as, so that its inverse is finite.
const TINY: f32 = 1e-38;

/// Quantiles of the normal distribution, the outermost at ±1; numbers of bitsandbytes.
const CODES: [f32; LANES] = [
    -1.0,
    -0.6961928,
    -0.52507305,
    -0.3949175,
    -0.28444138,
    -0.18477343,
    -0.091050036,
    0.0,
    0.0795803,
    0.1609302,
    0.2461123,
    0.33791524,
    0.44070983,
    0.562617,
    0.72295684,
    1.0,
];

/// The eight-bit code of scales: fractions that are finer where numbers are larger.
static DYNAMIC: [f32; 256] = dynamic();

const BOUNDS: [f32; 15] = midpoints(&CODES);
static DYNAMIC_BOUNDS: [f32; 255] = midpoints(&dynamic());

/// 0, 1, and for each power of ten from 1e-6 to 1 the middles of 2ⁱ equal parts of a tenth of it to all of it, i from 0
/// to 6, with both signs.
const fn dynamic() -> [f32; 256] {
    let mut codes = [0.0; 256];
    codes[255] = 1.0;
    let (mut i, mut power) = (0, 1e-6);
    while i < 7 {
        let (parts, mut j) = (1_usize << i, 0);
        while j < parts {
            let middle = (power * (0.1 + 0.9 * (j as f64 + 0.5) / parts as f64)) as f32;
            codes[127 + parts + j] = middle;
            codes[127 - parts - j] = -middle;
            j += 1;
        }
        i += 1;
        power *= 10.0;
    }
    codes
}

/// Between neighbours.
const fn midpoints<const COUNT: usize, const BETWEEN: usize>(codes: &[f32; COUNT]) -> [f32; BETWEEN] {
    let mut bounds = [0.0; BETWEEN];
    let mut at = 0;
    while at < BETWEEN {
        bounds[at] = (codes[at] + codes[at + 1]) / 2.0;
        at += 1;
    }
    bounds
}

/// Rows in plain blocks; values: [rows, columns].
pub(crate) fn quantize(values: &[f32], columns: usize) -> Vec<u8> {
    let (columns, height) = (columns.max(1), tasks::rows_per_task(columns));
    let piece = |values: &[f32]| {
        let rows = values.chunks_exact(columns);
        let mut blocks = Vec::with_capacity(rows.len() * columns.div_ceil(ELEMENTS) * PLAIN);
        rows.flat_map(|row| row.chunks(ELEMENTS)).for_each(|numbers| blocks.extend(quantized(numbers)));
        blocks
    };
    tasks::collect(values.chunks(height * columns).collect(), piece).concat()
}

/// A block of at most 64 numbers. A NaN among them makes all of them NaN.
fn quantized(numbers: &[f32]) -> [u8; PLAIN] {
    let (absmax, inverse) = largest(numbers.iter().copied());
    let mut scaled = [0.0; ELEMENTS];
    scaled.iter_mut().zip(numbers).for_each(|(scaled, x)| *scaled = x * inverse);
    let mut codes = [0; ELEMENTS];
    for bound in BOUNDS {
        codes.iter_mut().zip(&scaled).for_each(|(code, &x)| *code += u8::from(bound < x));
    }
    let mut block = [0; PLAIN];
    let (head, low) = block.split_at_mut(HEAD);
    head.copy_from_slice(&absmax.to_le_bytes());
    for (low, codes) in low.chunks_exact_mut(LANES).zip(codes.chunks_exact(2 * LANES)) {
        let (first, second) = codes.split_at(LANES);
        low.iter_mut().zip(first.iter().zip(second)).for_each(|(low, (first, second))| {
            *low = first | second << 4;
        });
    }
    block
}

/// The largest magnitude, and what numbers are multiplied by to be at most 1.
fn largest(numbers: impl Iterator<Item = f32>) -> (f32, f32) {
    let largest = numbers.map(f32::abs).max_by(f32::total_cmp).unwrap_or(0.0);
    (largest, largest.max(TINY).recip())
}

/// Plain blocks in the double layout, with what stands behind them.
pub(crate) fn doubled(plain: &[u8]) -> Vec<u8> {
    let blocks = plain.as_chunks::<PLAIN>().0;
    let scales: Vec<f32> = blocks.iter().map(absmax).collect();
    let sum: f64 = scales.iter().map(|&scale| f64::from(scale)).sum();
    let offset = (sum / scales.len().max(1) as f64) as f32;
    let mut bytes = Vec::with_capacity(blocks.len() * DOUBLE + tail_bytes(blocks.len()));
    let mut tail = offset.to_le_bytes().to_vec();
    for (blocks, scales) in blocks.chunks(GROUP).zip(scales.chunks(GROUP)) {
        let (largest, inverse) = largest(scales.iter().map(|scale| scale - offset));
        tail.extend(largest.to_le_bytes());
        for (block, scale) in blocks.iter().zip(scales) {
            let scaled = (scale - offset) * inverse;
            bytes.push(DYNAMIC_BOUNDS.partition_point(|&bound| bound < scaled) as u8);
            bytes.extend(&block[HEAD..]);
        }
    }
    bytes.extend(tail);
    bytes
}

/// Bytes behind so many blocks of the double layout.
pub(crate) const fn tail_bytes(blocks: usize) -> usize {
    4 * (1 + blocks.div_ceil(GROUP))
}

/// Some blocks of the double layout as plain ones, from block `first` of their matrix on; tail: what stands behind its blocks.
pub(crate) fn plain(doubled: &[u8], first: usize, tail: &[u8]) -> Vec<u8> {
    let tail = tail.as_chunks::<4>().0;
    let number = |at: usize| f32::from_le_bytes(tail[at]);
    let mut plain = Vec::with_capacity(doubled.len() / DOUBLE * PLAIN);
    for (at, block) in (first..).zip(doubled.as_chunks::<DOUBLE>().0) {
        let scale = number(1 + at / GROUP) * DYNAMIC[usize::from(block[0])] + number(0);
        plain.extend(scale.to_le_bytes());
        plain.extend(&block[1..]);
    }
    plain
}

/// Plain blocks to f32; the last of them may be a short one, with fewer numbers.
pub(crate) fn nf4_to_f32(blocks: &[u8], out: &mut [f32]) -> Result<(), LengthMismatch> {
    if blocks.len() != out.len().div_ceil(ELEMENTS) * PLAIN {
        return Err(LengthMismatch { format: "NF4", bytes: blocks.len(), elements: out.len() });
    }
    let (whole, rest) = out.split_at_mut(out.len() / ELEMENTS * ELEMENTS);
    let (blocks, last) = blocks.split_at(whole.len() / ELEMENTS * PLAIN);
    in_blocks("NF4", [PLAIN, ELEMENTS], blocks, whole, widen)?;
    let mut numbers = [0.0; ELEMENTS];
    widen(last, &mut numbers);
    rest.copy_from_slice(&numbers[..rest.len()]);
    Ok(())
}

vectorised! {
    fn widen<V>(blocks: &[u8], out: &mut [f32]) {
        block::widen_all::<V, PLAIN, Nf4>(blocks, out);
    }

    /// The dot product of every row of plain blocks with x; rows: [y, x] in blocks, x_sums: the sums of x, sixteen by sixteen.
    pub(crate) fn nf4_dots<V>(rows: &[u8], x: &[f32], x_sums: &[f32], y: &mut [f32]) {
        block::dot_all::<V, PLAIN, Nf4>(rows, x, x_sums, y);
    }
}

#[inline(always)]
fn absmax(block: &[u8; PLAIN]) -> f32 {
    f32::from_le_bytes([block[0], block[1], block[2], block[3]])
}

/// The plain layout.
struct Nf4;

impl Block<PLAIN> for Nf4 {
    const PAIRS: usize = 2;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; PLAIN]) -> [f32; 2] {
        [absmax(block), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; PLAIN], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; PLAIN], group: usize) -> V {
        V::lookup(nibbles::<V>(block, HEAD + LANES * (group / 2), group % 2), &CODES)
    }
}

#[cfg(test)]
mod tests;
