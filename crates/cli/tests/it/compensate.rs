//! Corrections beside compressed models, and merged into them.

use crate::common::{folder_with_model, run, words};
use rankine_testkit::tiny;
use serde_json::Value;
use std::path::Path;

const SEEING: [&str; 6] =
    ["--calibration", "text.txt", "--calibration-samples", "12", "--calibration-length", "32"];

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", words(&output.stderr));
    words(&output.stdout)
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(folder, &[arguments, &["--json"]].concat())).unwrap()
}

fn refused(folder: &Path, arguments: &[&str], why: &str) {
    let output = run(folder, arguments);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(why) && said.contains("hint: "), "{said}");
}

#[test]
fn a_correction_makes_up_for_a_compression() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    std::fs::write(folder.join("text.txt"), "The sky is blue and the sea is deep. ".repeat(20)).unwrap();
    done(folder, &["compress", "./model", "--method", "quantize", "--bits", "2", "--output", "rounded"]);
    let compensate = |more: &[&'static str]| [&["compensate", "./model", "./rounded"], more].concat();
    refused(folder, &compensate(&["--output", "x"]), "with `--calibration`");
    let mut output_errors = Vec::new();
    for method in ["eora", "activation", "svd"] {
        let more = ["--method", method, "--rank", "6", "--eval", "data.json", "--output", method];
        let report = json(folder, &[&compensate(&SEEING)[..], &more].concat());
        assert_eq!(report["rank"], 6);
        assert_eq!(report["modules"].as_array().unwrap().len(), 14, "{method}");
        let errors = report["errors"]["output_error"].as_array().unwrap();
        let [before, after] = [0, 1].map(|at| errors[at].as_f64().unwrap());
        assert!(after < before, "{method}: {errors:?}");
        output_errors.push(after);
        let nll = |model: &str| report["evaluation"][model]["nll"].as_f64().unwrap();
        let beside = ["evaluate", "./rounded", "--adapter", method, "--data", "data.json"];
        let alone = json(folder, &beside)["nll"].as_f64().unwrap();
        assert!((nll("compensated") - alone).abs() < 1e-9, "{method}");
        assert!(nll("original") != nll("compressed") && nll("compressed") != nll("compensated"), "{method}");
    }
    assert!(output_errors[1..].iter().all(|error| output_errors[0] < *error), "{output_errors:?}");
    let whole = ["--rank", "64", "--merge", "--output", "whole"];
    let said = done(folder, &[&compensate(&SEEING)[..], &whole].concat());
    assert!(said.contains("Compensated into whole") && said.contains("self_attn.q_proj"), "{said}");
    let nll =
        |model: &str| json(folder, &["evaluate", model, "--data", "data.json"])["nll"].as_f64().unwrap();
    assert!((nll("./whole") - nll("./model")).abs() < 1e-4);
    refused(folder, &[&compensate(&SEEING)[..], &whole].concat(), "exists already");
    let same = ["compensate", "./model", "./model", "--output", "x"];
    refused(folder, &[&same[..], &SEEING].concat(), "alike in all of 14 matrices");
    assert!(!folder.join("x").exists());
}
