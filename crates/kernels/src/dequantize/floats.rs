//! 16-bit floats to f32; both conversions are exact.
//!
//! f16: 1 sign, 5 exponent, 10 fraction bits (IEEE 754 binary16); `half` uses the processor's F16C where there is one.
//! bf16: the upper half of an f32.

use super::{GRAIN, LengthMismatch};
use crate::vectorise::{LANES, Vector, load};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Little-endian f16 to f32; `bytes.len() = 2 · out.len()`.
pub fn f16_to_f32(bytes: &[u8], out: &mut [f32]) -> Result<(), LengthMismatch> {
    each("F16", bytes, out, |pairs, out| {
        // Through a small buffer: a memory-mapped tensor need not lie at an even address.
        let mut buffer = [half::f16::ZERO; 512];
        for (pairs, out) in pairs.chunks(512).zip(out.chunks_mut(512)) {
            let buffer = &mut buffer[..pairs.len()];
            for (value, &pair) in buffer.iter_mut().zip(pairs) {
                *value = half::f16::from_le_bytes(pair);
            }
            buffer.convert_to_f32_slice(out);
        }
    })
}

/// Little-endian bf16 to f32; `bytes.len() = 2 · out.len()`.
pub fn bf16_to_f32(bytes: &[u8], out: &mut [f32]) -> Result<(), LengthMismatch> {
    each("BF16", bytes, out, |pairs, out| {
        for (out, &pair) in out.iter_mut().zip(pairs) {
            *out = f32::from_bits((u16::from_le_bytes(pair) as u32) << 16);
        }
    })
}

fn each(
    format: &'static str,
    bytes: &[u8],
    out: &mut [f32],
    convert: impl Fn(&[[u8; 2]], &mut [f32]) + Sync,
) -> Result<(), LengthMismatch> {
    let (pairs, torn) = bytes.as_chunks::<2>();
    if !torn.is_empty() || pairs.len() != out.len() {
        return Err(LengthMismatch { format, bytes: bytes.len(), elements: out.len() });
    }
    if pairs.len() <= GRAIN {
        convert(pairs, out);
    } else {
        let chunks = pairs.par_chunks(GRAIN).zip(out.par_chunks_mut(GRAIN));
        chunks.for_each(|(pairs, out)| convert(pairs, out));
    }
    Ok(())
}

vectorised! {
    /// The dot product of every row of f16 with x; rows: [y, x].
    pub(crate) fn f16_dots<V>(rows: &[u8], x: &[f32], y: &mut [f32]) {
        dots::<V, half::f16>(rows, x, y);
    }

    /// The dot product of every row of bf16 with x; rows: [y, x].
    pub(crate) fn bf16_dots<V>(rows: &[u8], x: &[f32], y: &mut [f32]) {
        dots::<V, half::bf16>(rows, x, y);
    }
}

/// A 16-bit float, sixteen abreast.
trait Wide {
    fn wide<V: Vector>(x: &[[u8; 2]; LANES]) -> V;
}

impl Wide for half::f16 {
    #[inline(always)]
    fn wide<V: Vector>(x: &[[u8; 2]; LANES]) -> V {
        V::halves(x)
    }
}

impl Wide for half::bf16 {
    #[inline(always)]
    fn wide<V: Vector>(x: &[[u8; 2]; LANES]) -> V {
        V::upper_halves(x)
    }
}

#[inline(always)]
fn dots<V: Vector, W: Wide>(rows: &[u8], x: &[f32], y: &mut [f32]) {
    let rows = rows.as_chunks::<2>().0.chunks_exact(x.len().max(1));
    for (row, y) in rows.zip(y) {
        let (pairs, rest) = row.as_chunks::<LANES>();
        let mut sums = [V::splat(0.0); 2];
        for (w, x) in pairs.chunks(2).zip(x.chunks(2 * LANES)) {
            sums[0] = W::wide::<V>(&w[0]).mul_add(load(x), sums[0]);
            if let [_, w] = w {
                sums[1] = W::wide::<V>(w).mul_add(load(&x[LANES..]), sums[1]);
            }
        }
        if !rest.is_empty() {
            let mut last = [[0; 2]; LANES];
            last[..rest.len()].copy_from_slice(rest);
            sums[1] = W::wide::<V>(&last).mul_add(load(&x[pairs.len() * LANES..]), sums[1]);
        }
        *y = sums[0].add(sums[1]).sum();
    }
}
