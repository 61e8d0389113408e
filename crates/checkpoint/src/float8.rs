//! Floats of eight bits as f32, which holds every one of them exactly.
//!
//!     E4M3  s eeee mmm    x = ±2^(e−7)·(1 + m/8), of e = 0 ±2^−6·m/8; s 1111 111 is NaN, and there are no infinities
//!     E5M2  s eeeee mm    the upper byte of an f16
//!
//! OCP 8-bit Floating Point Specification 1.0: torch's `float8_e4m3fn` and `float8_e5m2`.

use half::f16;

/// What every code of E4M3 stands for.
pub(crate) fn e4m3() -> [f32; 256] {
    table(|code| match code & 0x7f {
        0x7f => f32::NAN,
        // In an f16 the same exponent stands for 2^8 less.
        rest => f16::from_bits((u16::from(code & 0x80) << 8) | (u16::from(rest) << 7)).to_f32() * 256.0,
    })
}

/// What every code of E5M2 stands for.
pub(crate) fn e5m2() -> [f32; 256] {
    table(|code| f16::from_le_bytes([0, code]).to_f32())
}

fn table(decode: impl Fn(u8) -> f32) -> [f32; 256] {
    std::array::from_fn(|code| decode(code as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_tensors;
    use rankine_testkit::fixtures;

    /// By the definition, in f64; fraction: bits of m.
    fn defined(code: u8, fraction: i32, bias: i32) -> f64 {
        let (sign, rest) = (if code < 128 { 1.0 } else { -1.0 }, i32::from(code % 128));
        let steps = 2_i32.pow(fraction as u32);
        let (e, m) = (rest / steps, f64::from(rest % steps) / f64::from(steps));
        if e == 0 { sign * 2.0_f64.powi(1 - bias) * m } else { sign * 2.0_f64.powi(e - bias) * (1.0 + m) }
    }

    fn assert_same(found: f32, expected: f32, code: usize) {
        assert!(
            found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
            "{code:#x}: {found} {expected}"
        );
    }

    #[test]
    fn all_codes_are_as_defined() {
        let (first, second) = (e4m3(), e5m2());
        for code in 0..=255_u8 {
            let at = usize::from(code);
            let expected = if code & 0x7f == 0x7f { f32::NAN } else { defined(code, 3, 7) as f32 };
            assert_same(first[at], expected, at);
            let expected = match code & 0x7f {
                0x7c => f32::INFINITY.copysign(if code < 128 { 1.0 } else { -1.0 }),
                rest if 0x7c < rest => f32::NAN,
                _ => defined(code, 2, 15) as f32,
            };
            assert_same(second[at], expected, at);
        }
        assert_eq!((first[0x7e], first[1], second[0x7b]), (448.0, 2.0_f32.powi(-9), 57344.0));
    }

    /// The file that torch wrote, and what torch widens it to.
    #[test]
    fn all_codes_are_as_torch_reads_them() {
        let file = open_tensors(&fixtures::path("float8/model.safetensors")).unwrap();
        for (name, widened) in [("e4m3.weight", "e4m3.f32"), ("e5m2.weight", "e5m2.f32")] {
            let (mut found, mut expected) = ([0.0; 256], [0.0; 256]);
            file.read_into(name, &mut found).unwrap();
            file.read_into(widened, &mut expected).unwrap();
            (0..256).for_each(|code| assert_same(found[code], expected[code], code));
            let mut row = [0.0; 16];
            file.read_rows(name, 3..4, &mut row).unwrap();
            assert_eq!(row, found[48..64]);
        }
    }
}
