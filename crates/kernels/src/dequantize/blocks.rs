//! Formats of 32 numbers with one scale `d`, and for `_1` a minimum `m`.
//!
//! | format | bytes of a block, in order | number `i` |
//! | --- | --- | --- |
//! | Q4_0 | d: f16, low: 16 | `d · (q − 8)` |
//! | Q4_1 | d: f16, m: f16, low: 16 | `d · q + m` |
//! | Q5_0 | d: f16, high: u32, low: 16 | `d · (q − 16)` |
//! | Q5_1 | d: f16, m: f16, high: u32, low: 16 | `d · q + m` |
//! | Q8_0 | d: f16, q: 32 × i8 | `d · q` |
//! | Q8_1 | d: f16, sum: f16, q: 32 × i8 | `d · q` (the sum serves dot products only) |
//!
//! Byte `i` of `low` holds four bits of number `i` in its lower half and of number `i + 16` in its upper half; bit `i`
//! of `high` is the fifth bit of number `i`.

use super::block::{Block, f16, sixteen};
use crate::vectorise::Vector;

pub(super) struct Q4_0;

impl Block<18> for Q4_0 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 18]) -> [f32; 2] {
        [f16::<V>(block, 0), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; 18], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 18], group: usize) -> V {
        V::unsigned(nibbles::<V>(block, 2, group)).sub(V::splat(8.0))
    }
}

pub(super) struct Q4_1;

impl Block<20> for Q4_1 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = true;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 20]) -> [f32; 2] {
        [f16::<V>(block, 0), f16::<V>(block, 2)]
    }

    #[inline(always)]
    fn scale(_: &[u8; 20], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 20], group: usize) -> V {
        V::unsigned(nibbles::<V>(block, 4, group))
    }
}

pub(super) struct Q5_0;

impl Block<22> for Q5_0 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 22]) -> [f32; 2] {
        [f16::<V>(block, 0), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; 22], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 22], group: usize) -> V {
        V::unsigned(five_bits::<V>(block, 2, group)).sub(V::splat(16.0))
    }
}

pub(super) struct Q5_1;

impl Block<24> for Q5_1 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = true;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 24]) -> [f32; 2] {
        [f16::<V>(block, 0), f16::<V>(block, 2)]
    }

    #[inline(always)]
    fn scale(_: &[u8; 24], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 24], group: usize) -> V {
        V::unsigned(five_bits::<V>(block, 4, group))
    }
}

pub(super) struct Q8_0;

impl Block<34> for Q8_0 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 34]) -> [f32; 2] {
        [f16::<V>(block, 0), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; 34], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 34], group: usize) -> V {
        V::signed(sixteen::<V>(block, 2 + 16 * group))
    }
}

pub(super) struct Q8_1;

impl Block<36> for Q8_1 {
    const PAIRS: usize = 1;
    const SHARED: bool = true;
    const OFFSET: bool = false;

    #[inline(always)]
    fn head<V: Vector>(block: &[u8; 36]) -> [f32; 2] {
        [f16::<V>(block, 0), 0.0]
    }

    #[inline(always)]
    fn scale(_: &[u8; 36], head: [f32; 2], _: usize) -> [f32; 2] {
        head
    }

    #[inline(always)]
    fn quants<V: Vector>(block: &[u8; 36], group: usize) -> V {
        V::signed(sixteen::<V>(block, 4 + 16 * group))
    }
}

/// Four bits of each number of a group, from the 16 bytes at `low`.
#[inline(always)]
pub(super) fn nibbles<V: Vector>(block: &[u8], low: usize, group: usize) -> V::Bytes {
    V::field(sixteen::<V>(block, low), 4 * group as u32, 15)
}

/// Five bits of each number of a group: four after the fifth ones, which are at `high`.
#[inline(always)]
fn five_bits<V: Vector>(block: &[u8], high: usize, group: usize) -> V::Bytes {
    let at = high + 2 * group;
    let fifth = V::spread(u16::from_le_bytes([block[at], block[at + 1]]));
    V::join(nibbles::<V>(block, high + 4, group), fifth, 4)
}
