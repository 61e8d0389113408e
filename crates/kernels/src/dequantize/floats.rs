//! 16-bit floats to f32; both conversions are exact.
//!
//! f16: 1 sign, 5 exponent, 10 fraction bits (IEEE 754 binary16); `half` uses the processor's F16C where there is one.
//! bf16: the upper half of an f32.

use super::{GRAIN, LengthMismatch};
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
