use super::*;
use crate::dequantize::{dequantize, tests::unhex};
use serde_json::Value;

const BASIC: [Format; 6] =
    [Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1, Format::Q8_0, Format::Q8_1];

/// About normal: sums of twelve numbers of a linear congruence.
fn normals(count: usize) -> Vec<f32> {
    let mut state = 20_261_126_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| (0..12).map(|_| next()).sum::<f32>() - 6.0).collect()
}

fn encoded(format: Format, values: &[f32]) -> Vec<u8> {
    let mut out = vec![0xAA; values.len() / format.block_elements() * format.block_bytes()];
    quantize(format, values, &mut out).unwrap();
    out
}

fn decoded(format: Format, bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len() / format.block_bytes() * format.block_elements()];
    dequantize(format, bytes, &mut out).unwrap();
    out
}

/// ‖x − x'‖ / ‖x‖.
fn relative(x: &[f32], found: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let off: f64 = x.iter().zip(found).map(|(x, y)| square(x - y)).sum();
    (off / x.iter().map(|&x| square(x)).sum::<f64>()).sqrt()
}

/// `tests/fixtures/quantize.json`: what ggml's reference quantisers make of numbers, exact to the bit.
#[test]
fn blocks_are_those_of_ggml() {
    let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/quantize.json")).unwrap();
    let numbers = unhex(&fixture["numbers"]);
    let x: Vec<f32> = numbers.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    for format in Format::ALL {
        let (expected, found) = (unhex(&fixture["formats"][format.name()]), encoded(format, &x));
        let blocks = expected.chunks(format.block_bytes()).zip(found.chunks(format.block_bytes()));
        for (at, (expected, found)) in blocks.enumerate() {
            assert_eq!(found, expected, "{format} {at}");
        }
    }
}

#[test]
fn errors_are_those_of_as_many_bits() {
    let bounds = [
        (Format::Q8K, 0.01),
        (Format::Q8_0, 0.01),
        (Format::Q8_1, 0.01),
        (Format::Q6K, 0.03),
        (Format::Q5K, 0.05),
        (Format::Q5_1, 0.06),
        (Format::Q5_0, 0.06),
        (Format::Q4K, 0.09),
        (Format::Q4_1, 0.11),
        (Format::Q4_0, 0.13),
        (Format::Q3K, 0.2),
        (Format::Q2K, 0.36),
    ];
    let x = normals(1 << 14);
    assert_eq!(bounds.len(), Format::ALL.len());
    for (format, most) in bounds {
        let off = relative(&x, &decoded(format, &encoded(format, &x)));
        assert!(most / 4.0 < off && off < most, "{format}: {off}");
    }
}

/// Groups between their smallest and largest number (and 0), or up to the largest magnitude, with scales that nothing rounds.
fn plainly(x: &[f32], group: usize, levels: i32, symmetric: bool) -> Vec<f32> {
    let rounded = |x: &[f32]| -> Vec<f32> {
        let most = x.iter().copied().fold(0.0, f32::max);
        let least = x.iter().copied().fold(0.0, f32::min);
        if symmetric {
            let d = extreme(x) / -(levels as f32);
            return x
                .iter()
                .map(|x| (x / d).round().clamp(-levels as f32, levels as f32 - 1.0) * d)
                .collect();
        }
        let d = (most - least) / levels as f32;
        x.iter().map(|x| ((x - least) / d).round() * d + least).collect()
    };
    x.chunks(group).flat_map(rounded).collect()
}

#[test]
fn searches_are_no_worse_than_plain_rounding() {
    let x = normals(1 << 14);
    for (format, group, levels, symmetric) in [
        (Format::Q2K, 16, 3, false),
        (Format::Q3K, 16, 4, true),
        (Format::Q4K, 32, 15, false),
        (Format::Q5K, 32, 31, false),
        (Format::Q6K, 16, 32, true),
    ] {
        let off = relative(&x, &decoded(format, &encoded(format, &x)));
        let plain = relative(&x, &plainly(&x, group, levels, symmetric));
        assert!(off < plain, "{format}: {off} {plain}");
    }
}

#[test]
fn what_came_out_of_a_basic_format_goes_in_unchanged() {
    let x: Vec<f32> =
        normals(1 << 12).iter().enumerate().map(|(at, x)| x * [0.02, 3.0, 50.0][at / 32 % 3]).collect();
    for format in BASIC {
        let once = encoded(format, &x);
        let again = encoded(format, &decoded(format, &once));
        // The sum of Q8_1 is one of the numbers before they were rounded.
        let same = |a: &[u8], b: &[u8]| a[..2] == b[..2] && a[4..] == b[4..];
        let blocks = once.chunks(format.block_bytes()).zip(again.chunks(format.block_bytes()));
        match format {
            Format::Q8_1 => blocks.for_each(|(a, b)| assert!(same(a, b))),
            _ => assert!(once == again, "{format}"),
        }
    }
}

/// Blocks by hand: what the formulas of the module make of them.
#[test]
fn numbers_on_the_grid_are_exact() {
    let x: [f32; 32] = std::array::from_fn(|at| (at % 16) as f32 - 8.0);
    let out = encoded(Format::Q4_0, &x);
    assert_eq!(out[..2], f16::from_f32(1.0).to_le_bytes());
    assert_eq!(out[2..], std::array::from_fn::<u8, 16, _>(|at| 17 * at as u8));
    for format in BASIC {
        let level = |at: usize| match format {
            Format::Q4_0 | Format::Q4_1 => (at % 16) as f32 - 8.0,
            Format::Q5_0 => at as f32 - 16.0,
            Format::Q5_1 => at as f32 - 8.0,
            _ => 8.0 * at as f32 - 127.0,
        };
        let x: [f32; 32] = std::array::from_fn(level);
        assert_eq!(decoded(format, &encoded(format, &x)), x, "{format}");
    }
    let eight = encoded(Format::Q8_0, &std::array::from_fn::<f32, 32, _>(|at| at as f32 * 127.0 / 31.0));
    assert_eq!((eight[2 + 31], eight[2], f16::from_le_bytes([eight[0], eight[1]]).to_f32()), (127, 0, 1.0));
}

#[test]
fn zeros_stay_zeros_and_constants_stay_near() {
    for format in Format::ALL {
        let zeros = decoded(format, &encoded(format, &[0.0; 256]));
        assert!(zeros.iter().all(|&x| x == 0.0), "{format}");
        for constant in [1.0, -3.0] {
            let found = decoded(format, &encoded(format, &[constant; 256]));
            assert!(
                found.iter().all(|x| (x - constant).abs() < 2e-3 * constant.abs()),
                "{format}: {found:?}"
            );
        }
    }
}

#[test]
fn threads_change_nothing_and_wrong_lengths_are_errors() {
    for format in Format::ALL {
        let few = normals(256);
        let once = encoded(format, &few);
        let copies = 2 * GRAIN / 256 + 1;
        assert!(encoded(format, &few.repeat(copies)) == once.repeat(copies), "{format}");
        let (bytes, elements) = (format.block_bytes(), format.block_elements());
        let mut out = vec![7; 2 * bytes];
        for (bytes, elements) in [(bytes, 2 * elements), (2 * bytes - 1, 2 * elements), (bytes, elements - 1)]
        {
            let error = quantize(format, &vec![0.0; elements], &mut out[..bytes]).unwrap_err();
            assert_eq!(error, LengthMismatch { format: format.name(), bytes, elements });
        }
        assert!(out.iter().all(|&byte| byte == 7));
        quantize(format, &[], &mut []).unwrap();
    }
}
