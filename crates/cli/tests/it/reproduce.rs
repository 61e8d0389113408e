//! `reproduce`: how much is run.

use crate::common::refused;

#[test]
fn quick_is_taken_and_is_not_full() {
    let folder = tempfile::tempdir().unwrap();
    let quick = ["reproduce", "svfit", "--quick", "--fashion-mnist", "none"];
    // It comes as far as the images.
    refused(folder.path(), &quick, "train-images-idx3-ubyte.gz");
    refused(folder.path(), &[&quick[..], &["--full"]].concat(), "cannot be used with");
}
