//! Stored numbers to f32 and back; to f16 and bf16 by rounding to nearest, ties to even.

use crate::{Dtype, Error, Result, float8};
use half::{bf16, f16};
use rankine_kernels::dequantize;

/// Bytes of one number that can be read; `None` for block formats.
pub(crate) fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F64 | Dtype::I64 => Some(8),
        Dtype::F32 | Dtype::I32 => Some(4),
        Dtype::F16 | Dtype::Bf16 | Dtype::I16 => Some(2),
        Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::I8 | Dtype::U8 | Dtype::Bool => Some(1),
        Dtype::Quantized(_) | Dtype::Unread(_) => None,
    }
}

/// Little-endian `bytes` of `dtype` as f32; `bytes.len() = width · out.len()` is checked.
pub(crate) fn to_f32(name: &str, dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    if let Dtype::Unread(_) = dtype {
        return Err(Error::Unread { name: name.to_owned(), dtype });
    }
    let elements = width(dtype).map_or(0, |width| bytes.len() / width);
    let mismatch = || Error::Length { name: name.to_owned(), expected: elements, found: out.len() };
    if elements != out.len() || elements * width(dtype).unwrap_or(0) != bytes.len() {
        return Err(mismatch());
    }
    match dtype {
        Dtype::F16 => return dequantize::f16_to_f32(bytes, out).map_err(|_| mismatch_of(name, elements)),
        Dtype::Bf16 => return dequantize::bf16_to_f32(bytes, out).map_err(|_| mismatch_of(name, elements)),
        Dtype::F8E4M3 => {
            let table = float8::e4m3();
            each(bytes, out, |[code]| table[usize::from(code)]);
        }
        Dtype::F8E5M2 => {
            let table = float8::e5m2();
            each(bytes, out, |[code]| table[usize::from(code)]);
        }
        Dtype::F32 => each(bytes, out, f32::from_le_bytes),
        Dtype::F64 => each(bytes, out, |number| f64::from_le_bytes(number) as f32),
        Dtype::I64 => each(bytes, out, |number| i64::from_le_bytes(number) as f32),
        Dtype::I32 => each(bytes, out, |number| i32::from_le_bytes(number) as f32),
        Dtype::I16 => each(bytes, out, |number| i16::from_le_bytes(number).into()),
        Dtype::I8 => each(bytes, out, |number| i8::from_le_bytes(number).into()),
        Dtype::U8 => each(bytes, out, |[number]| number.into()),
        Dtype::Bool => each(bytes, out, |[number]| (number != 0).into()),
        Dtype::Quantized(_) | Dtype::Unread(_) => {}
    }
    Ok(())
}

fn mismatch_of(name: &str, elements: usize) -> Error {
    Error::Length { name: name.to_owned(), expected: elements, found: elements }
}

fn each<const WIDTH: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; WIDTH]) -> f32) {
    for (out, &number) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = convert(number);
    }
}

/// Why numbers cannot be stored as asked.
pub(crate) enum Unstorable {
    /// This finite number is infinite in the storage type.
    Overflow(f32),
    /// Nothing converts to this type.
    Dtype,
}

/// Appends `values` as little-endian `dtype` to `bytes`. A finite number that would become infinite is refused.
pub(crate) fn from_f32(dtype: Dtype, values: &[f32], bytes: &mut Vec<u8>) -> Result<(), Unstorable> {
    let refuse = |found: Option<&f32>| found.map_or(Ok(()), |&value| Err(Unstorable::Overflow(value)));
    match dtype {
        Dtype::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Dtype::F16 => {
            refuse(values.iter().find(|value| value.is_finite() && f16::from_f32(**value).is_infinite()))?;
            bytes.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()));
        }
        Dtype::Bf16 => {
            refuse(values.iter().find(|value| value.is_finite() && bf16::from_f32(**value).is_infinite()))?;
            bytes.extend(values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()));
        }
        _ => return Err(Unstorable::Dtype),
    }
    Ok(())
}
