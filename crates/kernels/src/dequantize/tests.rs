use super::*;
use serde_json::Value;

/// `tests/fixtures/dequantize.json`: random blocks and what python's `gguf.quants` makes of them, exact to the bit.
fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/dequantize.json")).unwrap()
}

pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().as_chunks::<2>().0;
    digits.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(super) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn agrees_with_the_gguf_package_to_the_bit() {
    let fixture = fixture();
    let formats = fixture["formats"].as_object().unwrap();
    assert_eq!(formats.len(), 10);
    for (name, case) in formats {
        let format = Format::ALL.into_iter().find(|format| format.name() == name).unwrap();
        let blocks = unhex(&case["blocks"]);
        let expected = unhex(&case["numbers"]);
        let expected: Vec<u32> =
            expected.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
        crate::cpu::at_every_level(|| {
            let mut out = vec![0.0; blocks.len() / format.block_bytes() * format.block_elements()];
            dequantize(format, &blocks, &mut out).unwrap();
            assert_eq!(bits(&out), expected, "{format}");
        });
    }
}

/// The two formats that ggml uses for activations only, and python's package does not know.
#[test]
fn eight_bit_formats_of_activations() {
    let mut q8_1 = [0; 36];
    q8_1[..2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
    q8_1[2..4].copy_from_slice(&[0xAA, 0x55]);
    (q8_1[4], q8_1[35]) = (0x80, 0x7F);
    let mut out = [1.0; 32];
    dequantize(Format::Q8_1, &q8_1, &mut out).unwrap();
    assert_eq!((out[0], out[1], out[31]), (-64.0, 0.0, 63.5));

    let mut q8_k = [0xAA; 292];
    q8_k[..4].copy_from_slice(&0.25_f32.to_le_bytes());
    (q8_k[4], q8_k[259]) = (3, 0xFE);
    let mut out = [1.0; 256];
    dequantize(Format::Q8K, &q8_k, &mut out).unwrap();
    assert_eq!((out[0], out[255]), (0.75, -0.5));
}

/// Many blocks take the threaded path; each must land in its own place.
#[test]
fn threads_change_nothing() {
    let fixture = fixture();
    for format in Format::ALL {
        let Some(case) = fixture["formats"].get(format.name()) else { continue };
        let few = unhex(&case["blocks"]);
        let mut once = vec![0.0; few.len() / format.block_bytes() * format.block_elements()];
        dequantize(format, &few, &mut once).unwrap();
        let copies = 3 * GRAIN / once.len() + 1;
        let mut out = vec![0.0; copies * once.len()];
        dequantize(format, &few.repeat(copies), &mut out).unwrap();
        assert!(out.chunks(once.len()).all(|chunk| bits(chunk) == bits(&once)), "{format}");
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for format in Format::ALL {
        let (bytes, elements) = (format.block_bytes(), format.block_elements());
        let mut out = vec![7.0; 2 * elements];
        for (bytes, elements) in
            [(bytes, 2 * elements), (2 * bytes - 1, 2 * elements), (bytes, elements - 1), (0, 1)]
        {
            let error = dequantize(format, &vec![0; bytes], &mut out[..elements]).unwrap_err();
            assert_eq!(error, LengthMismatch { format: format.name(), bytes, elements });
        }
        assert!(out.iter().all(|&number| number == 7.0));
        dequantize(format, &[], &mut []).unwrap();
    }
    assert!(f16_to_f32(&[0; 3], &mut [0.0]).is_err());
    assert!(bf16_to_f32(&[0; 2], &mut [0.0; 2]).is_err());
}

/// Every 16-bit pattern, at an odd address too.
#[test]
fn sixteen_bit_floats_agree_with_half() {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let shifted: Vec<u8> = [0].into_iter().chain(bytes.iter().copied()).collect();
    let mut out = vec![0.0; 1 << 16];
    for bytes in [&bytes[..], &shifted[1..]] {
        f16_to_f32(bytes, &mut out).unwrap();
        for (pattern, &number) in (0..=u16::MAX).zip(&out) {
            let expected = half::f16::from_bits(pattern).to_f32_const();
            assert!(number.to_bits() == expected.to_bits() || number.is_nan() && expected.is_nan());
        }
        bf16_to_f32(bytes, &mut out).unwrap();
        for (pattern, &number) in (0..=u16::MAX).zip(&out) {
            assert_eq!(number.to_bits(), (pattern as u32) << 16);
        }
    }
}

/// A dot product on the blocks is that of the widened row, at every level of the processor.
#[test]
fn dot_products_are_those_of_the_widened_rows() {
    let fixture = fixture();
    for format in Format::ALL {
        let Some(case) = fixture["formats"].get(format.name()) else { continue };
        let row = unhex(&case["blocks"]);
        let mut wide = vec![0.0; row.len() / format.block_bytes() * format.block_elements()];
        dequantize(format, &row, &mut wide).unwrap();
        let x: Vec<f32> = (0..wide.len()).map(|at| ((at * 37) % 101) as f32 / 50.0 - 1.0).collect();
        check_dots(&wide, &x, &|x, y| {
            let mut x_sums = vec![0.0; x.len() / 16];
            sums(x, &mut x_sums);
            dots(format, &row.repeat(2), x, &x_sums, y);
        });
    }
    for length in [1, 15, 16, 31, 32, 33, 70] {
        let number = |at: usize| ((at * 29) % 83) as f32 / 41.0 - 1.0;
        let x: Vec<f32> = (0..length).map(|at| number(at + 3)).collect();
        let halves: Vec<_> = (0..length).map(|at| half::f16::from_f32(number(at))).collect();
        let row: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let wide: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
        check_dots(&wide, &x, &|x, y| f16_dots(&row.repeat(2), x, y));
        let halves: Vec<_> = (0..length).map(|at| half::bf16::from_f32(number(at))).collect();
        let row: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let wide: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
        check_dots(&wide, &x, &|x, y| bf16_dots(&row.repeat(2), x, y));
    }
}

/// Two equal rows against f64.
fn check_dots(wide: &[f32], x: &[f32], dots: &dyn Fn(&[f32], &mut [f32])) {
    let terms = wide.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x));
    let (exact, scale) = terms.fold((0.0, 0.0), |(sum, scale), term| (sum + term, scale + term.abs()));
    crate::cpu::at_every_level(|| {
        let mut y = [f32::NAN; 2];
        dots(x, &mut y);
        assert_eq!(y[0].to_bits(), y[1].to_bits());
        assert!((f64::from(y[0]) - exact).abs() <= 1e-6 * scale, "{} {exact}", y[0]);
    });
}
