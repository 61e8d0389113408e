//! Blocks of every format: decoding all at once and one by one gives the same, bit for bit.
#![no_main]

use rankine_kernels::dequantize::{Format, bf16_to_f32, dequantize, f16_to_f32};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&selector, bytes)) = bytes.split_first() else { return };
    let format = Format::ALL[selector as usize % Format::ALL.len()];
    let (elements, size) = (format.block_elements(), format.block_bytes());
    let mut all = vec![0.0; bytes.len() / size * elements];
    let torn = !bytes.len().is_multiple_of(size);
    assert_eq!(dequantize(format, bytes, &mut all).is_err(), torn);
    for (block, together) in bytes.chunks_exact(size).zip(all.chunks(elements)) {
        let mut alone = vec![0.0; elements];
        dequantize(format, block, &mut alone).expect("one block");
        assert!(torn || alone.iter().zip(together).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    let mut halves = vec![0.0; bytes.len() / 2];
    let odd = !bytes.len().is_multiple_of(2);
    assert_eq!(f16_to_f32(bytes, &mut halves).is_err(), odd);
    assert_eq!(bf16_to_f32(bytes, &mut halves).is_err(), odd);
});
