//! What is done with blocks of any format: widening them, and taking their dot product with numbers.
//!
//!     w = scale_g · q + offset_g    out = w    y = Σ_g scale_g · (Σ q·x) + offset_g · (Σ x)        g: groups of sixteen
//!
//! A format says where the numbers q of a group stand, and what scales them; both loops are written here once over it. A
//! dot product reads the blocks and keeps q in registers, so its traffic is that of the stored size. The sums of x are
//! made once for all rows.

use super::{Format, blocks, superblocks};
use crate::vectorise::{LANES, Vector, load};

/// A format: `BYTES` bytes hold 32 numbers `PAIRS` times, which are two groups of sixteen.
pub(super) trait Block<const BYTES: usize> {
    /// Pairs of groups.
    const PAIRS: usize;
    /// Whether the two groups of a pair have one scale and one offset.
    const SHARED: bool;
    /// Whether there is an offset.
    const OFFSET: bool;

    /// What the scales and offsets of all groups are multiples of.
    fn head<V: Vector>(block: &[u8; BYTES]) -> [f32; 2];

    /// Scale and offset of a group.
    fn scale(block: &[u8; BYTES], head: [f32; 2], group: usize) -> [f32; 2];

    /// The numbers of a group before they are scaled.
    fn quants<V: Vector>(block: &[u8; BYTES], group: usize) -> V;
}

/// Runs `$work::<V, BYTES, Block>(…)` for a format.
macro_rules! of_format {
    ($format:expr, $work:ident::<$vector:ident>($($argument:expr),*)) => {
        match $format {
            Format::Q4_0 => $work::<$vector, 18, blocks::Q4_0>($($argument),*),
            Format::Q4_1 => $work::<$vector, 20, blocks::Q4_1>($($argument),*),
            Format::Q5_0 => $work::<$vector, 22, blocks::Q5_0>($($argument),*),
            Format::Q5_1 => $work::<$vector, 24, blocks::Q5_1>($($argument),*),
            Format::Q8_0 => $work::<$vector, 34, blocks::Q8_0>($($argument),*),
            Format::Q8_1 => $work::<$vector, 36, blocks::Q8_1>($($argument),*),
            Format::Q2K => $work::<$vector, 84, superblocks::Q2K>($($argument),*),
            Format::Q3K => $work::<$vector, 110, superblocks::Q3K>($($argument),*),
            Format::Q4K => $work::<$vector, 144, superblocks::Q4K>($($argument),*),
            Format::Q5K => $work::<$vector, 176, superblocks::Q5K>($($argument),*),
            Format::Q6K => $work::<$vector, 210, superblocks::Q6K>($($argument),*),
            Format::Q8K => $work::<$vector, 292, superblocks::Q8K>($($argument),*),
        }
    };
}

vectorised! {
    /// Whole blocks to as many numbers as they hold.
    pub(super) fn widen<V>(format: Format, blocks: &[u8], out: &mut [f32]) {
        of_format!(format, widen_all::<V>(blocks, out))
    }

    /// The dot product of every row of blocks with x; rows: [y, x] in blocks, x_sums: those of [`sums`] of x.
    pub(crate) fn dots<V>(format: Format, rows: &[u8], x: &[f32], x_sums: &[f32], y: &mut [f32]) {
        of_format!(format, dot_all::<V>(rows, x, x_sums, y))
    }

    /// The sum of every sixteen numbers of x; [x / 16].
    pub(crate) fn sums<V>(x: &[f32], sums: &mut [f32]) {
        for (sum, x) in sums.iter_mut().zip(x.as_chunks().0) {
            *sum = V::load(x).sum();
        }
    }
}

#[inline(always)]
pub(super) fn widen_all<V: Vector, const BYTES: usize, B: Block<BYTES>>(blocks: &[u8], out: &mut [f32]) {
    let outs = out.as_chunks_mut::<LANES>().0.chunks_exact_mut(2 * B::PAIRS);
    for (block, out) in blocks.as_chunks::<BYTES>().0.iter().zip(outs) {
        let head = B::head::<V>(block);
        for (group, out) in out.iter_mut().enumerate() {
            let [scale, offset] = B::scale(block, head, group);
            let scaled = V::splat(scale).mul(B::quants::<V>(block, group));
            // Adding 0 would turn a −0 into 0.
            if B::OFFSET { scaled.add(V::splat(offset)) } else { scaled }.store(out);
        }
    }
}

#[inline(always)]
pub(super) fn dot_all<V: Vector, const BYTES: usize, B: Block<BYTES>>(
    rows: &[u8],
    x: &[f32],
    x_sums: &[f32],
    y: &mut [f32],
) {
    let blocks = x.len() / (2 * LANES * B::PAIRS);
    let rows = rows.as_chunks::<BYTES>().0.chunks_exact(blocks.max(1));
    for (row, y) in rows.zip(y) {
        *y = dot_row::<V, BYTES, B>(row, x, x_sums);
    }
}

/// The dot product of a row with x, whose sixteens have the sums `x_sums`.
#[inline(always)]
fn dot_row<V: Vector, const BYTES: usize, B: Block<BYTES>>(
    row: &[[u8; BYTES]],
    x: &[f32],
    x_sums: &[f32],
) -> f32 {
    let (mut sums, mut offsets) = ([V::splat(0.0); 2], 0.0);
    for (at, (block, x)) in row.iter().zip(x.chunks_exact(2 * LANES * B::PAIRS)).enumerate() {
        let head = B::head::<V>(block);
        for (pair, x) in x.chunks_exact(2 * LANES).enumerate() {
            let (first, second) = x.split_at(LANES);
            let first = B::quants::<V>(block, 2 * pair).mul(load(first));
            let [scale, offset] = B::scale(block, head, 2 * pair);
            let [next_scale, next_offset] =
                if B::SHARED { [scale, offset] } else { B::scale(block, head, 2 * pair + 1) };
            let sum = &mut sums[pair % 2];
            if B::SHARED {
                let both = B::quants::<V>(block, 2 * pair + 1).mul_add(load(second), first);
                *sum = both.mul_add(V::splat(scale), *sum);
            } else {
                let second = B::quants::<V>(block, 2 * pair + 1).mul(load(second));
                *sum = second.mul_add(V::splat(next_scale), first.mul_add(V::splat(scale), *sum));
            }
            if B::OFFSET {
                let at = 2 * (B::PAIRS * at + pair);
                offsets += offset * x_sums[at] + next_offset * x_sums[at + 1];
            }
        }
        if B::PAIRS == 1 {
            sums.swap(0, 1);
        }
    }
    sums[0].add(sums[1]).sum() + offsets
}

/// Sixteen bytes of a block from `at` on.
#[inline(always)]
pub(super) fn sixteen<V: Vector>(block: &[u8], at: usize) -> V::Bytes {
    let mut bytes = [0; LANES];
    bytes.copy_from_slice(&block[at..at + LANES]);
    V::bytes(&bytes)
}

/// The f16 at byte `at` of a block.
#[inline(always)]
pub(super) fn f16<V: Vector>(block: &[u8], at: usize) -> f32 {
    V::half(u16::from_le_bytes([block[at], block[at + 1]]))
}
