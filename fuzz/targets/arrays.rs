//! One file of numbers, in every format.
#![no_main]

use rankine_data::arrays::npz::Npz;
use rankine_data::arrays::{Ratings, csv, matrix_market, npy};
use rankine_fuzz::{folder, write};
use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let name = Path::new("array");
    if let Ok(array) = npy::parse(bytes, name) {
        assert_eq!(array.values.len(), array.shape.iter().product());
        let again = npy::parse(npy::encode(&array).as_slice(), name).expect("what is written is read");
        assert_eq!(again.shape, array.shape);
    }
    drop(npy::parse_complex(bytes, name));
    write("array.npz", bytes);
    if let Ok(mut archive) = Npz::open(&folder().join("array.npz")) {
        for name in archive.names() {
            drop(archive.array(&name));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(csv::parse(text));
        drop(matrix_market::parse(text));
        drop(Ratings::parse(text, None));
    }
});
