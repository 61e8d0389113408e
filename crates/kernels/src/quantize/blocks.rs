//! Formats of 32 numbers with one scale `d`, and for `_1` a minimum `m`; the layouts are in `dequantize/blocks.rs`.
//!
//!     Q4_0  d = e/−8     q = ⌊x/d + 8.5⌋ ≤ 15            e: the number of the largest magnitude, with its sign
//!     Q5_0  d = e/−16    q = ⌊x/d + 16.5⌋ ≤ 31
//!     Q4_1  d = (max − min)/15    q = ⌊(x − m)/d + 0.5⌋    m = min
//!     Q5_1  d = (max − min)/31    likewise
//!     Q8_0  d = |e|/127  q = round(x/d), halves away from zero; so too Q8_1
//!
//! x/d is x·(1/d), with the d that f16 has not yet rounded.

use super::{extreme, put_half};

pub(super) fn q4_0(x: &[f32; 32], out: &mut [u8; 18]) {
    let d = extreme(x) / -8.0;
    let inverse = inverse(d);
    put_half(out, 0, d);
    put_nibbles(&x.map(|x| ((x * inverse + 8.5) as u8).min(15)), &mut out[2..]);
}

pub(super) fn q4_1(x: &[f32; 32], out: &mut [u8; 20]) {
    let q = from_minimum(x, 15, out);
    put_nibbles(&q, &mut out[4..]);
}

pub(super) fn q5_0(x: &[f32; 32], out: &mut [u8; 22]) {
    let d = extreme(x) / -16.0;
    let inverse = inverse(d);
    put_half(out, 0, d);
    put_five_bits(&x.map(|x| ((x * inverse + 16.5) as u8).min(31)), &mut out[2..]);
}

pub(super) fn q5_1(x: &[f32; 32], out: &mut [u8; 24]) {
    let q = from_minimum(x, 31, out);
    put_five_bits(&q, &mut out[4..]);
}

pub(super) fn q8_0(x: &[f32; 32], out: &mut [u8; 34]) {
    eight_bits(x, out, 2);
}

pub(super) fn q8_1(x: &[f32; 32], out: &mut [u8; 36]) {
    let (d, sum) = eight_bits(x, out, 4);
    put_half(out, 2, sum as f32 * d);
}

/// Scale at byte 0, minimum at byte 2; the numbers above it.
fn from_minimum(x: &[f32; 32], levels: u8, out: &mut [u8]) -> [u8; 32] {
    let (least, most) = (x.iter().copied().fold(x[0], f32::min), x.iter().copied().fold(x[0], f32::max));
    let d = (most - least) / f32::from(levels);
    let inverse = inverse(d);
    put_half(out, 0, d);
    put_half(out, 2, least);
    x.map(|x| (((x - least) * inverse + 0.5) as u8).min(levels))
}

/// Scale at byte 0, numbers from byte `at` on; the scale before rounding and the sum of the numbers.
fn eight_bits(x: &[f32; 32], out: &mut [u8], at: usize) -> (f32, i32) {
    let d = extreme(x).abs() / 127.0;
    let inverse = inverse(d);
    put_half(out, 0, d);
    let q = x.map(|x| (x * inverse).round() as i8);
    out[at..].iter_mut().zip(q).for_each(|(out, q)| *out = q.cast_unsigned());
    (d, q.into_iter().map(i32::from).sum())
}

fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Four bits of number `i` in the lower half of byte `i`, of number `i + 16` in its upper half.
fn put_nibbles(q: &[u8; 32], low: &mut [u8]) {
    let (first, second) = q.split_at(16);
    for ((low, first), second) in low.iter_mut().zip(first).zip(second) {
        *low = first & 15 | second << 4;
    }
}

/// The fifth bits, number `i` in bit `i` of four bytes, then the other four of each.
fn put_five_bits(q: &[u8; 32], out: &mut [u8]) {
    let high = q.iter().rev().fold(0_u32, |high, q| high << 1 | u32::from(q >> 4));
    out[..4].copy_from_slice(&high.to_le_bytes());
    put_nibbles(q, &mut out[4..]);
}
