//! `config.json`; what is read is written and read again to the same.
#![no_main]

use rankine_checkpoint::Config;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice(bytes) else { return };
    let path = Path::new("config.json");
    if let Ok(config) = Config::parse(path, json, None) {
        let again = Config::parse(path, config.to_json(), None).expect("our own file is read");
        assert_eq!((again.hidden_size, again.positions), (config.hidden_size, config.positions));
    }
});
