//! What is done with blocks of any format: widening them, and taking their dot product with numbers.
//!
//!     out_i = w_i        y = Σ_i w_i · x_i        w: the numbers of a row of blocks
//!
//! A format says how sixteen of its numbers come out of a block; both loops are written here once over it. A dot product
//! reads the blocks and keeps w in registers: its traffic is that of the stored size.

use super::{Format, blocks, superblocks};
use crate::vectorise::{LANES, Vector, load};

/// A format: `BYTES` bytes hold sixteen numbers `GROUPS` times.
pub(super) trait Block<const BYTES: usize> {
    /// Groups of sixteen numbers; an even count.
    const GROUPS: usize;

    /// What all numbers of the block are multiplied by, and what the format may add.
    fn head<V: Vector>(block: &[u8; BYTES]) -> [f32; 2];

    /// The numbers of one group.
    fn group<V: Vector>(block: &[u8; BYTES], head: [f32; 2], group: usize) -> V;
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

    /// The dot product of every row of blocks with x; rows: [y, x] in blocks.
    pub(crate) fn dots<V>(format: Format, rows: &[u8], x: &[f32], y: &mut [f32]) {
        of_format!(format, dot_all::<V>(rows, x, y))
    }
}

#[inline(always)]
fn widen_all<V: Vector, const BYTES: usize, B: Block<BYTES>>(blocks: &[u8], out: &mut [f32]) {
    let outs = out.as_chunks_mut::<LANES>().0.chunks_exact_mut(B::GROUPS);
    for (block, out) in blocks.as_chunks::<BYTES>().0.iter().zip(outs) {
        let head = B::head::<V>(block);
        for (group, out) in out.iter_mut().enumerate() {
            B::group::<V>(block, head, group).store(out);
        }
    }
}

#[inline(always)]
fn dot_all<V: Vector, const BYTES: usize, B: Block<BYTES>>(rows: &[u8], x: &[f32], y: &mut [f32]) {
    let blocks = x.len() / (LANES * B::GROUPS);
    let rows = rows.as_chunks::<BYTES>().0.chunks_exact(blocks.max(1));
    for (row, y) in rows.zip(y) {
        let mut sums = [V::splat(0.0); 2];
        for (block, x) in row.iter().zip(x.chunks_exact(LANES * B::GROUPS)) {
            let head = B::head::<V>(block);
            for (pair, x) in x.chunks_exact(2 * LANES).enumerate() {
                let (first, second) = x.split_at(LANES);
                sums[0] = B::group::<V>(block, head, 2 * pair).mul_add(load(first), sums[0]);
                sums[1] = B::group::<V>(block, head, 2 * pair + 1).mul_add(load(second), sums[1]);
            }
        }
        *y = sums[0].add(sums[1]).sum();
    }
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
