//! The index of a sharded model, beside two shards that are right.
#![no_main]

use rankine_checkpoint::safetensors::Safetensors;
use rankine_fuzz::{folder, read_all, small_safetensors, write};
use std::sync::Once;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static SHARDS: Once = Once::new();
    SHARDS.call_once(|| {
        write("model-00001-of-00002.safetensors", &small_safetensors("a"));
        write("model-00002-of-00002.safetensors", &small_safetensors("b"));
    });
    write("model.safetensors.index.json", bytes);
    if let Ok(shards) = Safetensors::open(folder()) {
        read_all(&shards);
    }
});
