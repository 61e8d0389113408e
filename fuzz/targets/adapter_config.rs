//! `adapter_config.json`, and the choice of modules that it describes.
#![no_main]

use rankine_checkpoint::AdapterConfig;
use rankine_checkpoint::adapter::{Kind, ModuleName};
use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice(bytes) else { return };
    let path = Path::new("adapter_config.json");
    let Ok(config) = AdapterConfig::parse(path, &json) else { return };
    let module = |path: &str| ModuleName { path: path.to_owned(), kind: Kind::Linear };
    let modules = ["model.layers.0.self_attn.q_proj", "model.layers.11.mlp.down_proj", "lm_head"].map(module);
    _ = config.targets.select(&modules);
    for module in &modules {
        _ = (config.rank_of(&module.path), config.scaling_of(&module.path));
    }
    AdapterConfig::parse(path, &config.to_json()).expect("our own file is read");
});
