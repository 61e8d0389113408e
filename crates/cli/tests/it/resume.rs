//! Work that breaks off, as a user sees it.

use crate::common::{done, folder_with_model, refused_with_hint, run, words};
use std::fs::File;
use std::path::Path;

const CONVERT: [&str; 6] = ["convert", "./model", "--dtype", "f16", "--shard-size", "20kB"];

/// The last number of the model becomes one that f16 does not hold, or what it was.
fn set_last(weights: &Path, number: [u8; 4]) -> [u8; 4] {
    let mut bytes = std::fs::read(weights).unwrap();
    let place = bytes.last_chunk_mut::<4>().unwrap();
    let old = std::mem::replace(place, number);
    std::fs::write(weights, bytes).unwrap();
    old
}

#[test]
fn a_conversion_goes_on_where_it_broke_off() {
    let root = folder_with_model();
    let folder = root.path();
    let convert = |more: &[&'static str]| [&CONVERT[..], more].concat();
    done(folder, &convert(&["whole"]));
    let weights = folder.join("model/model.safetensors");
    let old = set_last(&weights, 1e6_f32.to_le_bytes());
    let changed = std::fs::metadata(&weights).unwrap().modified().unwrap();
    refused_with_hint(folder, &convert(&["out"]), "kept in `.out.partial`: the same command with `--resume`");
    assert!(folder.join(".out.partial").is_dir() && !folder.join("out").exists());
    let other = ["convert", "./model", "out", "--dtype", "bf16", "--shard-size", "20kB", "--resume"];
    refused_with_hint(folder, &other, "`--dtype` was f16, and is bf16");
    // For lack of a way to stop it in time: the finished files are those of either model.
    set_last(&weights, old);
    File::options().write(true).open(&weights).unwrap().set_modified(changed).unwrap();
    let output = run(folder, &convert(&["out", "--resume", "--json"]));
    let said = words(&output.stderr);
    assert!(output.status.success() && said.contains("files were finished before"), "{said}");
    assert!(!folder.join(".out.partial").exists());
    let mut files = 0;
    for entry in std::fs::read_dir(folder.join("whole")).unwrap() {
        let name = entry.unwrap().file_name();
        let [whole, out] =
            ["whole", "out"].map(|output| std::fs::read(folder.join(output).join(&name)).unwrap());
        assert!(whole == out, "{name:?}");
        files += 1;
    }
    assert_eq!(std::fs::read_dir(folder.join("out")).unwrap().count(), files);
    let output = run(folder, &convert(&["fresh", "--resume"]));
    let said = words(&output.stderr);
    assert!(output.status.success() && said.contains("nothing of an earlier run is finished"), "{said}");
}
