use super::*;
use crate::dequantize::tests::{bits, unhex};
use serde_json::Value;

/// `tests/fixtures/nf4.json`: what bitsandbytes makes of two matrices.
fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/nf4.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    unhex(value).as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// q of every number of a plain block, in order.
fn codes(block: &[u8; PLAIN]) -> Vec<u8> {
    let halves = block[HEAD..].chunks(LANES).flat_map(|low| [0, 4].map(|shift| (low, shift)));
    halves.flat_map(|(low, shift)| low.iter().map(move |byte| byte >> shift & 15)).collect()
}

fn widened(blocks: &[u8], count: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; count];
    nf4_to_f32(blocks, &mut out).unwrap();
    out
}

#[test]
fn agrees_with_bitsandbytes_to_the_bit() {
    let small = &fixture()["small"];
    let values = floats(&small["values"]);
    let blocks = quantize(&values, 128);
    let found: Vec<f32> = blocks.as_chunks().0.iter().map(absmax).collect();
    assert_eq!(bits(&found), bits(&floats(&small["absmax"])));
    let expected: Vec<u8> =
        unhex(&small["packed"]).into_iter().flat_map(|pair| [pair >> 4, pair & 15]).collect();
    assert_eq!(blocks.as_chunks().0.iter().flat_map(codes).collect::<Vec<_>>(), expected);
    let expected = bits(&floats(&small["widened"]));
    crate::cpu::at_every_level(|| assert_eq!(bits(&widened(&blocks, values.len())), expected));
}

#[test]
fn scales_in_eight_bits_are_those_of_bitsandbytes() {
    let large = &fixture()["large"];
    let number = |i: usize| ((1237 * i) % 4001) as f32 - 2000.0;
    let factor = |block: usize| 1.0 + (7 * block % 37) as f32 / 32.0;
    let values: Vec<f32> = (0..260 * ELEMENTS).map(|i| number(i) / 2048.0 * factor(i / ELEMENTS)).collect();
    let bytes = doubled(&quantize(&values, ELEMENTS));
    let (blocks, tail) = bytes.split_at(260 * DOUBLE);
    assert_eq!(tail.len(), tail_bytes(260));
    let scales: Vec<u8> = blocks.iter().step_by(DOUBLE).copied().collect();
    assert_eq!(scales, unhex(&large["scales"]));
    let close = |found: f32, expected: &Value| {
        let expected = expected.as_f64().unwrap();
        assert!((f64::from(found) - expected).abs() <= 2e-7 * expected.abs(), "{found} {expected}");
    };
    let found: Vec<f32> = tail.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    close(found[0], &large["offset"]);
    found[1..].iter().zip(large["largest"].as_array().unwrap()).for_each(|(&found, expected)| {
        close(found, expected);
    });
    let last = plain(&blocks[259 * DOUBLE..], 259, tail);
    for (found, expected) in widened(&last, ELEMENTS).iter().zip(floats(&large["last_row"])) {
        assert!((found - expected).abs() <= 2e-7 * expected.abs(), "{found} {expected}");
    }
}

#[test]
fn a_row_ends_with_a_short_block() {
    let values: Vec<f32> = (0..2 * 70).map(|at| ((at * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let blocks = quantize(&values, 70);
    assert_eq!(blocks.len(), 4 * PLAIN);
    let parts = [&values[..64], &values[64..70], &values[70..134], &values[134..]];
    assert_eq!(blocks, parts.map(|part| quantize(part, part.len())).concat());
    let row = widened(&blocks[..2 * PLAIN], 70);
    let alone = [widened(&blocks[..PLAIN], 64), widened(&blocks[PLAIN..2 * PLAIN], 6)].concat();
    assert_eq!(row, alone);
    let mut out = [7.0; 70];
    for (bytes, elements) in [(PLAIN, 70), (2 * PLAIN, 64), (2 * PLAIN - 1, 70), (3 * PLAIN, 70)] {
        let error = nf4_to_f32(&blocks[..bytes], &mut out[..elements]).unwrap_err();
        assert_eq!(error, LengthMismatch { format: "NF4", bytes, elements });
    }
    assert_eq!(out, [7.0; 70]);
}

#[test]
fn a_nan_spoils_its_block_alone() {
    let mut values = vec![0.25; 2 * ELEMENTS];
    values[3] = f32::NAN;
    let found = widened(&quantize(&values, 2 * ELEMENTS), 2 * ELEMENTS);
    assert!(found[..ELEMENTS].iter().all(|x| x.is_nan()));
    assert_eq!(found[ELEMENTS..], [0.25; ELEMENTS]);
}

/// Rows that several threads share.
#[test]
fn many_rows_are_rounded_as_each_of_them_is() {
    let (rows, columns) = (900, 130);
    let values: Vec<f32> = (0..rows * columns).map(|at| (at * 37 % 1009) as f32 / 500.0 - 1.0).collect();
    let alone: Vec<u8> = values.chunks(columns).flat_map(|row| quantize(row, columns)).collect();
    assert!(quantize(&values, columns) == alone);
    assert!(quantize(&[], 0).is_empty());
}
