//! One safetensors file.
#![no_main]

use rankine_checkpoint::safetensors::Safetensors;
use rankine_fuzz::{folder, read_all, write};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    write("model.safetensors", bytes);
    if let Ok(file) = Safetensors::open(&folder().join("model.safetensors")) {
        read_all(&file);
    }
});
