//! The K formats: 256 numbers in groups with scales of their own, which a scale `d` of the whole block multiplies.
//!
//! | format | bytes of a block, in order | number |
//! | --- | --- | --- |
//! | Q2_K | scales: 16, q: 64, d: f16, m: f16 | `d·s · q − m·t`, s and t the halves of a scale byte |
//! | Q3_K | high: 32, q: 64, scales: 12, d: f16 | `d·(s − 32) · (q − 4)`, q = two bits and one of `high` |
//! | Q4_K | d: f16, m: f16, scales: 12, q: 128 | `d·s · q − m·t` |
//! | Q5_K | d: f16, m: f16, scales: 12, high: 32, q: 128 | `d·s · q − m·t`, q = four bits and one of `high` |
//! | Q6_K | low: 128, high: 64, scales: 16 × i8, d: f16 | `d·s · (q − 32)`, q = four bits and two of `high` |
//! | Q8_K | d: f32, q: 256 × i8, sums: 16 × i16 | `d · q` (the sums serve dot products only) |
//!
//! Groups are of 16 numbers (Q2, Q3, Q6) or 32 (Q4, Q5). Two-bit numbers: byte `l` of the `h`-th 32 bytes holds
//! numbers `128 h + 32 j + l` at bits `2j`, j < 4. Four-bit numbers: byte `l` of the `c`-th 32 bytes holds number
//! `64 c + l` below and `64 c + 32 + l` above; in Q6_K byte `l` of the `h`-th 64 holds `128 h + l` below and
//! `128 h + 64 + l` above. One-bit `high`: bit `g` of byte `l` belongs to number `32 g + l`.

use super::block::{Block, f16, sixteen};
use crate::vectorise::Vector;

pub(super) struct Q2K;

impl Block<84> for Q2K {
    const PAIRS: usize = 8;
    const SHARED: bool = false;
    const OFFSET: bool = true;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 84]) -> [f32; 2] {
        [f16::<V>(block, 80), f16::<V>(block, 82)]
    }

    #[inline(always)]
    fn scale(block: &[u8; 84], [d, m]: [f32; 2], group: usize) -> [f32; 2] {
        let scales = block[group];
        [d * f32::from(scales & 15), -(m * f32::from(scales >> 4))]
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 84], group: usize) -> V {
        let (from, shift) = two_bit_place(group);
        V::unsigned(V::field(sixteen::<V>(block, 16 + from), shift, 3))
    }
}

pub(super) struct Q3K;

impl Block<110> for Q3K {
    const PAIRS: usize = 8;
    const SHARED: bool = false;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 110]) -> [f32; 2] {
        [f16::<V>(block, 108), 0.0]
    }

    #[inline(always)]
    fn scale(block: &[u8; 110], [d, _]: [f32; 2], group: usize) -> [f32; 2] {
        // Six bits: four in the halves of the first eight bytes, two in the last four bytes.
        let packed = &block[96..108];
        let low = packed[group % 8] >> (4 * (group / 8)) & 15;
        let top = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        [d * (f32::from(low | top << 4) - 32.0), 0.0]
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 110], group: usize) -> V {
        let (from, shift) = two_bit_place(group);
        let low = V::field(sixteen::<V>(block, 32 + from), shift, 3);
        let high = V::field(sixteen::<V>(block, 16 * (group % 2)), group as u32 / 2, 1);
        V::unsigned(V::join(low, high, 2)).sub(V::splat(4.0))
    }
}

pub(super) struct Q4K;

impl Block<144> for Q4K {
    const PAIRS: usize = 8;
    const SHARED: bool = true;
    const OFFSET: bool = true;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 144]) -> [f32; 2] {
        [f16::<V>(block, 0), f16::<V>(block, 2)]
    }

    #[inline(always)]
    fn scale(block: &[u8; 144], [d, m]: [f32; 2], group: usize) -> [f32; 2] {
        let [scale, minimum] = six_bit_pair(&block[4..16], group / 2);
        [d * scale, -(m * minimum)]
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 144], group: usize) -> V {
        let q = V::field(sixteen::<V>(block, 16 + four_bit_place(group)), 4 * (group as u32 / 2 % 2), 15);
        V::unsigned(q)
    }
}

pub(super) struct Q5K;

impl Block<176> for Q5K {
    const PAIRS: usize = 8;
    const SHARED: bool = true;
    const OFFSET: bool = true;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 176]) -> [f32; 2] {
        [f16::<V>(block, 0), f16::<V>(block, 2)]
    }

    #[inline(always)]
    fn scale(block: &[u8; 176], [d, m]: [f32; 2], group: usize) -> [f32; 2] {
        let [scale, minimum] = six_bit_pair(&block[4..16], group / 2);
        [d * scale, -(m * minimum)]
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 176], group: usize) -> V {
        let low = V::field(sixteen::<V>(block, 48 + four_bit_place(group)), 4 * (group as u32 / 2 % 2), 15);
        let high = V::field(sixteen::<V>(block, 16 + 16 * (group % 2)), group as u32 / 2, 1);
        V::unsigned(V::join(low, high, 4))
    }
}

pub(super) struct Q6K;

impl Block<210> for Q6K {
    const PAIRS: usize = 8;
    const SHARED: bool = false;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 210]) -> [f32; 2] {
        [f16::<V>(block, 208), 0.0]
    }

    #[inline(always)]
    fn scale(block: &[u8; 210], [d, _]: [f32; 2], group: usize) -> [f32; 2] {
        [d * f32::from(block[192 + group] as i8), 0.0]
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 210], group: usize) -> V {
        // `half` of the block, `quarter` of the half, first or second 16 of the quarter.
        let (half, quarter, start) = (group / 8, group / 2 % 4, 16 * (group % 2));
        let low = sixteen::<V>(block, 64 * half + 32 * (quarter % 2) + start);
        let high = sixteen::<V>(block, 128 + 32 * half + start);
        let (low, high) =
            (V::field(low, 4 * (quarter as u32 / 2), 15), V::field(high, 2 * quarter as u32, 3));
        V::unsigned(V::join(low, high, 4)).sub(V::splat(32.0))
    }
}

pub(super) struct Q8K;

impl Block<292> for Q8K {
    const PAIRS: usize = 8;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 292]) -> [f32; 2] {
        [f32::from_le_bytes([block[0], block[1], block[2], block[3]]), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; 292], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 292], group: usize) -> V {
        V::signed(sixteen::<V>(block, 4 + 16 * group))
    }
}

/// First byte and bit of the 16 two-bit numbers of `group`.
#[inline(always)]
fn two_bit_place(group: usize) -> (usize, u32) {
    (32 * (group / 8) + 16 * (group % 2), 2 * (group as u32 / 2 % 4))
}

/// First byte of the 16 four-bit numbers of `group`.
#[inline(always)]
fn four_bit_place(group: usize) -> usize {
    32 * (group / 4) + 16 * (group % 2)
}

/// Scale and minimum of `group` < 8 from 12 bytes: the first four pairs lie in the low six bits of bytes `0..4` and
/// `4..8`; of the others bytes `8..12` hold four bits each and the top two bits of the first eight bytes the rest.
#[inline(always)]
fn six_bit_pair(packed: &[u8], group: usize) -> [f32; 2] {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        ((low & 15) | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
    };
    [scale as f32, minimum as f32]
}
