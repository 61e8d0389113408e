//! The K formats: 256 numbers in groups with scales of their own; the layouts are in `dequantize/superblocks.rs`.
//!
//!     Q2_K Q4_K Q5_K   d = max s/L   m = max t/L   s, t → round(s/d), round(t/m)      s, t: asymmetric search, L = 15 or 63
//!     Q3_K Q6_K        d = S/−h      s → round(s/d)                                   S: the scale of the largest magnitude
//!     q = round((x + m·t)/(d·s)) once more, with the scales as they are stored
//!     Q8_K             d = e/−127    q = round(x/d)
//!
//! Weights of the search: |x| (Q2_K), |x| + √mean(x²) (Q4_K, Q5_K), x² (Q3_K, Q6_K).

use super::search::{Asymmetric, NOTHING, nearest, refined, symmetric};
use super::{extreme, put_half};

pub(super) fn q2_k(x: &[f32; 256], out: &mut [u8; 84]) {
    const SEARCH: Asymmetric = Asymmetric { most: 3, start: -0.5, step: 0.1, steps: 15, absolute: true };
    let (mut q, mut found) = ([0; 256], [[0.0; 2]; 16]);
    for ((found, x), q) in found.iter_mut().zip(x.as_chunks::<16>().0).zip(q.as_chunks_mut::<16>().0) {
        *found = SEARCH.find(x, &x.map(f32::abs), q);
    }
    let (most, scales) = rounded(&found, 15);
    let [d, m] = [put_half(out, 80, most[0] / 15.0), put_half(out, 82, most[1] / 15.0)];
    out.iter_mut().zip(&scales).for_each(|(out, [s, t])| *out = s | t << 4);
    place::<16>(x, [d, m], &scales, 3, &mut q);
    put_two_bits(&q, &mut out[16..80]);
}

pub(super) fn q3_k(x: &[f32; 256], out: &mut [u8; 110]) {
    out.fill(0);
    let (mut q, mut found) = ([0; 256], [0.0; 16]);
    for ((found, x), q) in found.iter_mut().zip(x.as_chunks().0).zip(q.as_chunks_mut().0) {
        *found = refined(x, 4, q);
    }
    let largest = extreme(&found);
    let inverse = if largest == 0.0 { 0.0 } else { -32.0 / largest };
    let scales = found.map(|scale| nearest(inverse * scale).clamp(-32, 31));
    let d = put_half(out, 108, if largest == 0.0 { 0.0 } else { 1.0 / inverse });
    if largest != 0.0 {
        for (at, scale) in scales.iter().enumerate() {
            let stored = (scale + 32) as u8;
            out[96 + at % 8] |= (stored & 15) << (4 * (at / 8));
            out[104 + at % 4] |= stored >> 4 << (2 * (at / 4));
        }
    }
    place_symmetric(x, d, &scales, 4, &mut q);
    for (at, q) in q.iter_mut().enumerate() {
        out[at % 32] |= *q >> 2 << (at / 32);
        *q &= 3;
    }
    put_two_bits(&q, &mut out[32..96]);
}

pub(super) fn q4_k(x: &[f32; 256], out: &mut [u8; 144]) {
    const SEARCH: Asymmetric = Asymmetric { most: 15, start: -1.0, step: 0.1, steps: 20, absolute: false };
    let q = six_bit_scales(x, &SEARCH, out);
    put_four_bits(&q, &mut out[16..]);
}

pub(super) fn q5_k(x: &[f32; 256], out: &mut [u8; 176]) {
    const SEARCH: Asymmetric = Asymmetric { most: 31, start: -0.5, step: 0.1, steps: 15, absolute: false };
    let q = six_bit_scales(x, &SEARCH, out);
    let high = &mut out[16..48];
    high.fill(0);
    q.iter().enumerate().for_each(|(at, q)| high[at % 32] |= q >> 4 << (at / 32));
    put_four_bits(&q, &mut out[48..]);
}

pub(super) fn q6_k(x: &[f32; 256], out: &mut [u8; 210]) {
    out.fill(0);
    let (mut q, mut found) = ([0; 256], [0.0; 16]);
    for ((found, x), q) in found.iter_mut().zip(x.as_chunks().0).zip(q.as_chunks_mut().0) {
        *found = symmetric(x, 32, q);
    }
    let largest = extreme(&found);
    if largest.abs() < NOTHING {
        return;
    }
    let inverse = -128.0 / largest;
    let d = put_half(out, 208, 1.0 / inverse);
    let scales = found.map(|scale| nearest(inverse * scale).clamp(-128, 127));
    out[192..].iter_mut().zip(scales).for_each(|(out, scale)| *out = scale as u8);
    place_symmetric(x, d, &scales, 32, &mut q);
    for (half, q) in q.as_chunks::<128>().0.iter().enumerate() {
        for l in 0..32 {
            let [a, b, c, d] = [q[l], q[l + 32], q[l + 64], q[l + 96]];
            out[64 * half + l] = a & 15 | c << 4;
            out[64 * half + 32 + l] = b & 15 | d << 4;
            out[128 + 32 * half + l] = a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6;
        }
    }
}

pub(super) fn q8_k(x: &[f32; 256], out: &mut [u8; 292]) {
    out.fill(0);
    let extreme = extreme(x);
    if extreme == 0.0 {
        return;
    }
    let inverse = -127.0 / extreme;
    out[..4].copy_from_slice(&(1.0 / inverse).to_le_bytes());
    let (numbers, sums) = out[4..].split_at_mut(256);
    let groups = numbers.as_chunks_mut::<16>().0.iter_mut().zip(sums.as_chunks_mut::<2>().0);
    for ((q, sum), x) in groups.zip(x.as_chunks::<16>().0) {
        let levels = x.map(|x| nearest(inverse * x).clamp(-128, 127));
        *q = levels.map(|level| level as u8);
        *sum = (levels.iter().sum::<i32>() as i16).to_le_bytes();
    }
}

/// d, m and eight pairs of six-bit scales in the first 16 bytes; the numbers.
fn six_bit_scales(x: &[f32; 256], search: &Asymmetric, out: &mut [u8]) -> [u8; 256] {
    let (mut q, mut found) = ([0; 256], [[0.0; 2]; 8]);
    for ((found, x), q) in found.iter_mut().zip(x.as_chunks::<32>().0).zip(q.as_chunks_mut::<32>().0) {
        let size = (x.iter().fold(0.0, |sum: f32, x| sum + x * x) / 32.0).sqrt();
        *found = search.find(x, &x.map(|x| size + x.abs()), q);
    }
    let (most, scales) = rounded(&found, 63);
    let [d, m] = [put_half(out, 0, most[0] / 63.0), put_half(out, 2, most[1] / 63.0)];
    let packed = &mut out[4..16];
    for (at, &[s, t]) in scales.iter().enumerate() {
        if at < 4 {
            (packed[at], packed[at + 4]) = (s, t);
        } else {
            packed[at + 4] = s & 15 | t << 4;
            packed[at - 4] |= s >> 4 << 6;
            packed[at] |= t >> 4 << 6;
        }
    }
    place::<32>(x, [d, m], &scales, search.most, &mut q);
    q
}

/// The largest scale and the largest minimum, and all of them as shares of these, in so many levels.
fn rounded<const GROUPS: usize>(found: &[[f32; 2]; GROUPS], levels: u8) -> ([f32; 2], [[u8; 2]; GROUPS]) {
    let most = [0, 1].map(|part| found.iter().fold(0.0, |most: f32, found| most.max(found[part])));
    let inverse = most.map(|most| if 0.0 < most { f32::from(levels) / most } else { 0.0 });
    let level = |share: f32| nearest(share).clamp(0, levels.into()) as u8;
    (most, found.map(|[s, t]| [level(inverse[0] * s), level(inverse[1] * t)]))
}

/// The numbers by the scales that are stored; a group whose scale came to nothing keeps those of its search.
fn place<const SIZE: usize>(
    x: &[f32; 256],
    [d, m]: [f32; 2],
    scales: &[[u8; 2]],
    most: u8,
    q: &mut [u8; 256],
) {
    let groups = x.as_chunks::<SIZE>().0.iter().zip(q.as_chunks_mut::<SIZE>().0);
    for ((x, q), [s, t]) in groups.zip(scales) {
        let (scale, minimum) = (d * f32::from(*s), m * f32::from(*t));
        if scale != 0.0 {
            *q = x.map(|x| nearest((x + minimum) / scale).clamp(0, most.into()) as u8);
        }
    }
}

/// The same without a minimum, from −half to half − 1.
fn place_symmetric(x: &[f32; 256], d: f32, scales: &[i32; 16], half: i32, q: &mut [u8; 256]) {
    let groups = x.as_chunks::<16>().0.iter().zip(q.as_chunks_mut::<16>().0);
    for ((x, q), &scale) in groups.zip(scales) {
        let scale = d * scale as f32;
        if scale != 0.0 {
            *q = x.map(|x| (nearest(x / scale).clamp(-half, half - 1) + half) as u8);
        }
    }
}

/// Byte `l` of the `h`-th 32 holds numbers `128 h + 32 j + l` at bits `2j`.
fn put_two_bits(q: &[u8; 256], out: &mut [u8]) {
    for (out, q) in out.as_chunks_mut::<32>().0.iter_mut().zip(q.as_chunks::<128>().0) {
        for (l, out) in out.iter_mut().enumerate() {
            *out = q[l] | q[l + 32] << 2 | q[l + 64] << 4 | q[l + 96] << 6;
        }
    }
}

/// Byte `l` of the `c`-th 32 holds number `64 c + l` below and `64 c + 32 + l` above.
fn put_four_bits(q: &[u8; 256], out: &mut [u8]) {
    for (out, q) in out.as_chunks_mut::<32>().0.iter_mut().zip(q.as_chunks::<64>().0) {
        for (l, out) in out.iter_mut().enumerate() {
            *out = q[l] & 15 | q[l + 32] << 4;
        }
    }
}
