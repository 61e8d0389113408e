//! One file of torch, in either format.
#![no_main]

use rankine_checkpoint::pickle::Pickle;
use rankine_fuzz::{folder, read_all, write};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    write("model.pth", bytes);
    if let Ok(file) = Pickle::open(&folder().join("model.pth")) {
        read_all(&file);
    }
});
