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

use super::f16;

pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = f16(block, 0);
    nibbles(&block[2..], out, |_, q| d * (q as i32 - 8) as f32);
}

pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (f16(block, 0), f16(block, 2));
    nibbles(&block[4..], out, |_, q| d * q as f32 + m);
}

pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = f16(block, 0);
    let high = fifth_bits(block, 2);
    nibbles(&block[6..], out, |i, q| d * ((q | (high >> i & 1) << 4) as i32 - 16) as f32);
}

pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (f16(block, 0), f16(block, 2));
    let high = fifth_bits(block, 4);
    nibbles(&block[8..], out, |i, q| d * (q | (high >> i & 1) << 4) as f32 + m);
}

pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    signed_bytes(f16(block, 0), &block[2..], out);
}

pub(super) fn q8_1(block: &[u8; 36], out: &mut [f32; 32]) {
    signed_bytes(f16(block, 0), &block[4..], out);
}

/// `out[i] = d · q[i]`.
pub(super) fn signed_bytes(d: f32, bytes: &[u8], out: &mut [f32]) {
    for (out, &q) in out.iter_mut().zip(bytes) {
        *out = d * (q as i8) as f32;
    }
}

/// `out[i] = number(i, q[i])` with `q` the halves of 16 bytes.
fn nibbles(low: &[u8], out: &mut [f32; 32], number: impl Fn(usize, u32) -> f32) {
    let (first, second) = out.split_at_mut(16);
    for (i, ((first, second), &byte)) in first.iter_mut().zip(second).zip(low).enumerate() {
        *first = number(i, (byte & 15) as u32);
        *second = number(i + 16, (byte >> 4) as u32);
    }
}

fn fifth_bits(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}
