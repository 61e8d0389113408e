//! A GGUF file: header, configuration, vocabulary, tensors.
#![no_main]

use rankine_checkpoint::gguf::Gguf;
use rankine_fuzz::read_all;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = Gguf::from_bytes("fuzz.gguf", bytes.to_vec()) {
        _ = (file.config(), file.vocabulary());
        read_all(&file);
    }
});
