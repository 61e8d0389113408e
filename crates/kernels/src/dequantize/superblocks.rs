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

use super::{blocks::signed_bytes, f16};

pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (scales, q) = (&block[..16], &block[16..80]);
    let (d, m) = (f16(block, 80), f16(block, 82));
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (scale, minimum) = (d * (scales[group] & 15) as f32, m * (scales[group] >> 4) as f32);
        let (from, shift) = two_bit_place(group);
        for (out, &q) in out.iter_mut().zip(&q[from..]) {
            *out = scale * (q >> shift & 3) as f32 - minimum;
        }
    }
}

pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let (high, q, packed) = (&block[..32], &block[32..96], &block[96..108]);
    let d = f16(block, 108);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // Six bits of scale: four in the halves of the first eight bytes, two in the last four bytes.
        let low = packed[group % 8] >> (4 * (group / 8)) & 15;
        let top = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        let scale = d * ((low | top << 4) as i32 - 32) as f32;
        let (from, shift) = two_bit_place(group);
        let high = &high[16 * (group % 2)..];
        for (out, (&q, &high)) in out.iter_mut().zip(q[from..].iter().zip(high)) {
            let q = (q >> shift & 3) | (high >> (group / 2) & 1) << 2;
            *out = scale * (q as i32 - 4) as f32;
        }
    }
}

pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (packed, q) = (&block[4..16], &block[16..]);
    let (d, m) = (f16(block, 0), f16(block, 2));
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, minimum) = six_bit_pair(packed, group);
        let (scale, minimum) = (d * scale, m * minimum);
        let shift = 4 * (group % 2);
        for (out, &q) in out.iter_mut().zip(&q[32 * (group / 2)..]) {
            *out = scale * (q >> shift & 15) as f32 - minimum;
        }
    }
}

pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (packed, high, q) = (&block[4..16], &block[16..48], &block[48..]);
    let (d, m) = (f16(block, 0), f16(block, 2));
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, minimum) = six_bit_pair(packed, group);
        let (scale, minimum) = (d * scale, m * minimum);
        let shift = 4 * (group % 2);
        for (out, (&q, &high)) in out.iter_mut().zip(q[32 * (group / 2)..].iter().zip(high)) {
            let q = (q >> shift & 15) | (high >> group & 1) << 4;
            *out = scale * q as f32 - minimum;
        }
    }
}

pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = f16(block, 208);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * (scales[group] as i8) as f32;
        // `half` of the block, `quarter` of the half, first or second 16 of the quarter.
        let (half, quarter, start) = (group / 8, group / 2 % 4, 16 * (group % 2));
        let low = &low[64 * half + 32 * (quarter % 2) + start..];
        let high = &high[32 * half + start..];
        for (out, (&low, &high)) in out.iter_mut().zip(low.iter().zip(high)) {
            let q = (low >> (4 * (quarter / 2)) & 15) | (high >> (2 * quarter) & 3) << 4;
            *out = scale * (q as i32 - 32) as f32;
        }
    }
}

pub(super) fn q8_k(block: &[u8; 292], out: &mut [f32; 256]) {
    let d = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    signed_bytes(d, &block[4..260], out);
}

/// First byte and bit of the 16 two-bit numbers of `group`.
fn two_bit_place(group: usize) -> (usize, usize) {
    (32 * (group / 8) + 16 * (group % 2), 2 * (group / 2 % 4))
}

/// Scale and minimum of `group` < 8 from 12 bytes: the first four pairs lie in the low six bits of bytes `0..4` and
/// `4..8`; of the others bytes `8..12` hold four bits each and the top two bits of the first eight bytes the rest.
fn six_bit_pair(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        ((low & 15) | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
    };
    (scale as f32, minimum as f32)
}
