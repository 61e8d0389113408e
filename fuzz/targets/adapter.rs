//! An adapter folder: configuration, a zero byte, weights; checked against a tiny model.
#![no_main]

use rankine_checkpoint::Adapter;
use rankine_checkpoint::gguf::Gguf;
use rankine_fuzz::{folder, write};
use std::sync::OnceLock;

static BASE: &[u8] = include_bytes!("../../crates/checkpoint/tests/fixtures/gguf/tiny-llama.gguf");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static MODEL: OnceLock<Gguf> = OnceLock::new();
    let model = MODEL.get_or_init(|| Gguf::from_bytes("base.gguf", BASE.to_vec()).expect("a model"));
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    write("adapter_config.json", parts.next().unwrap_or_default());
    write("adapter_model.safetensors", parts.next().unwrap_or_default());
    if let Ok(adapter) = Adapter::open(folder()) {
        _ = adapter.check(model);
    }
});
