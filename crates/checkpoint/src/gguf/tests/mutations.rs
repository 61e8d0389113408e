//! Damaged files are errors, never panics.

use super::*;
use crate::Tensors;
use proptest::prelude::*;

/// Everything that can be asked of a file, whatever the answers; the file if it opens.
fn use_all(bytes: Vec<u8>) -> Option<Gguf> {
    let gguf = Gguf::from_bytes("mutated.gguf", bytes).ok()?;
    _ = (gguf.config(), gguf.vocabulary());
    for (name, info) in gguf.infos() {
        let mut out = vec![0.0; info.elements()];
        gguf.read_into(name, &mut out).unwrap();
        _ = gguf.raw(name);
    }
    Some(gguf)
}

#[test]
fn every_truncation_is_an_error() {
    let whole = tiny("llama").build();
    assert!(use_all(whole.clone()).is_some());
    let header = whole.len() - tiny("llama").tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>();
    for length in (0..header + 64).chain((header..whole.len()).step_by(997)) {
        assert!(use_all(whole[..length].to_vec()).is_none(), "{length}");
    }
}

/// Found by the fuzzer: putting back the order of a quadrillion rows without numbers took for ever.
#[test]
fn rows_without_numbers_cost_nothing() {
    let mut writer = tiny("llama");
    let query = writer.named("blk.0.attn_q.weight");
    (query.sizes, query.bytes) = (vec![0, 1 << 50], Vec::new());
    assert!(use_all(writer.build()).is_some());
}

/// The fuzzer starts from these; one that is refused would teach it nothing.
#[test]
fn seeds_of_the_fuzzer_are_files_that_open() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/gguf");
    for (name, tensors) in [("llama.gguf", 11), ("qwen2.gguf", 12), ("values.gguf", 0)] {
        let gguf = use_all(std::fs::read(format!("{folder}/{name}")).unwrap()).unwrap();
        assert_eq!((gguf.infos().len(), gguf.config().is_ok()), (tensors, tensors != 0), "{name}");
    }
}

/// The header only: numbers may be anything.
fn header_length() -> usize {
    let writer = tiny("llama");
    writer.build().len() - writer.tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((0..header_length(), any::<u8>()), 1..6)) {
        let mut bytes = tiny("llama").build();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        use_all(bytes);
    }

    #[test]
    fn changed_lengths_never_panic(at in 0..header_length(), value in prop_oneof![
        Just(u64::MAX), Just(1 << 63), Just(u32::MAX.into()), Just(0), any::<u64>(), 0..4096_u64,
    ]) {
        let mut bytes = tiny("llama").build();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        use_all(bytes);
    }

    #[test]
    fn pieces_taken_out_or_put_in_never_panic(at in 0..header_length(), length in 1..40_usize, byte: u8, cut: bool) {
        let mut bytes = tiny("llama").build();
        let piece = if cut { at..at + length } else { at..at };
        bytes.splice(piece, vec![byte; if cut { 0 } else { length }]);
        use_all(bytes);
    }
}
