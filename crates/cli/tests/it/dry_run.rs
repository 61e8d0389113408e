//! `--dry-run` of every operation: what would be written, how large, on how much room, and nothing is written.

use crate::common::{done, folder_with_model, json, rankine, refused_with_hint, words};
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::Value;
use std::path::Path;

const SEEING: [&str; 6] =
    ["--calibration", "text.txt", "--calibration-samples", "4", "--calibration-length", "32"];

/// A model in `model`, one like it in `other`, the first as `model.gguf`, an adapter in `lora`, data, and a recipe.
fn folder() -> tempfile::TempDir {
    let root = folder_with_model();
    let folder = root.path();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    std::fs::write(folder.join("text.txt"), "The sky is blue and the sea is deep. ".repeat(20)).unwrap();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let recipe =
        "merge_method: linear\nmodels: [{model: ./model}, {model: ./other}]\nparameters: {weight: 1}\n";
    std::fs::write(folder.join("merge.yaml"), recipe).unwrap();
    let train = ["train", "./model", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "2", "--output", "lora"]].concat());
    done(folder, &["convert", "./model", "model.gguf"]);
    root
}

/// Every operation; the last word is where its output goes.
fn operations() -> Vec<Vec<&'static str>> {
    let compensate = [&["compensate", "./model", "./other", "--rank", "2"][..], &SEEING].concat();
    let combine = ["adapter", "combine", "lora", "lora", "--weights", "0.5,0.5"];
    let mut operations = vec![
        vec!["merge", "./model", "lora", "--output"],
        vec!["merge", "./model.gguf", "lora", "--requantize", "same", "--output"],
        vec!["blend", "merge.yaml", "--output"],
        vec!["align", "./model", "./other", "--output"],
        vec!["interpolate", "./model", "./other", "--at", "0.5", "--output"],
        vec!["compress", "./model", "--ratio", "0.5", "--output"],
        vec!["compress", "./model", "--method", "magnitude", "--sparsity", "0.5", "--output"],
        [&compensate[..], &["--output"]].concat(),
        [&compensate[..], &["--merge", "--output"]].concat(),
        vec!["quantize", "./model", "--to", "q8_0", "--output"],
        vec!["convert", "./model"],
        vec!["extract", "./model", "./other", "--rank", "2", "--output"],
        vec!["extract", "./model", "./other", "--energy", "0.5", "--output"],
        vec!["diff", "./model", "./other", "--mitigate", "0.5", "--output"],
        vec!["diff", "./model", "--adapter", "lora", "--mitigate", "0.5", "--output"],
        vec!["adapter", "convert", "lora", "--base", "./model", "--rank", "2", "--output"],
        [&combine[..], &["--output"]].concat(),
        vec!["adapter", "export", "lora", "--base", "./model", "--gguf"],
        vec!["fisher", "./model", "--data", "data.json", "--output"],
    ];
    for operation in &mut operations {
        let is_file = ["quantize", "fisher"].contains(&operation[0]) || operation[1] == "export";
        operation.push(if is_file || operation.contains(&"--requantize") { "out.gguf" } else { "out" });
    }
    operations
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_operation_says_what_it_would_write_and_writes_nothing() {
    let root = folder();
    let folder = root.path();
    let before = entries(folder);
    for operation in operations() {
        let dry = [&operation[..], &["--dry-run"]].concat();
        let report = match json(folder, &dry) {
            Value::Array(mut reports) => reports.remove(0),
            report => report,
        };
        assert_eq!(report["dry_run"], true, "{operation:?}: {report}");
        assert!(report["bytes"].as_u64().is_some_and(|bytes| 0 < bytes), "{operation:?}: {report}");
        assert!(report.as_object().unwrap().contains_key("bytes_free"), "{operation:?}: {report}");
        assert_eq!(report["output"], *operation.last().unwrap(), "{operation:?}");
        let said = done(folder, &dry);
        assert!(said.to_lowercase().contains("would ") && said.contains("room on the disk"), "{said}");
        assert_eq!(entries(folder), before, "{operation:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_too_small_is_warned_of() {
    let root = folder();
    let folder = root.path();
    crate::common::small_disk(folder);
    for operation in operations() {
        let dry = [&operation[..], &["--dry-run"]].concat();
        let output = rankine(folder, &dry).env("PATH", folder.join("bin")).output().unwrap();
        let said = words(&output.stderr);
        assert!(output.status.success(), "{operation:?}: {said}");
        let place = format!("warning: the disk of `{}` has ", operation.last().unwrap());
        assert!(said.contains(&place), "{operation:?}: {said}");
    }
}

#[test]
fn nothing_would_be_written_into_what_is_read() {
    let root = folder();
    let folder = root.path();
    let read = || ["lora", "model"].map(|name| entries(&folder.join(name)));
    let before = read();
    for mut operation in operations() {
        let output = format!("lora/{}", operation.pop().unwrap());
        let inside = match operation.contains(&"lora") {
            true => output,
            false => output.replace("lora", "model"),
        };
        // A recipe names its models itself.
        for dry in [&["--dry-run"][..], &[]] {
            refused_with_hint(folder, &[&operation[..], &[inside.as_str()], dry].concat(), "lies inside");
        }
    }
    assert_eq!(read(), before);
}
