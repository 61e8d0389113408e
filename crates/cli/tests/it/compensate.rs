//! Corrections beside compressed models, and merged into them.

use crate::common::{done, folder_with_model, json, nll, refused_with_hint};
use rankine_testkit::tiny;

const SEEING: [&str; 6] =
    ["--calibration", "text.txt", "--calibration-samples", "12", "--calibration-length", "32"];

#[test]
fn a_correction_makes_up_for_a_compression() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    std::fs::write(folder.join("text.txt"), "The sky is blue and the sea is deep. ".repeat(20)).unwrap();
    done(folder, &["compress", "./model", "--method", "quantize", "--bits", "2", "--output", "rounded"]);
    let compensate = |more: &[&'static str]| [&["compensate", "./model", "./rounded"], more].concat();
    refused_with_hint(folder, &compensate(&["--output", "x"]), "with `--calibration`");
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
        let told = |model: &str| report["evaluation"][model]["nll"].as_f64().unwrap();
        let alone = nll(folder, &["./rounded", "--adapter", method]);
        assert!((told("compensated") - alone).abs() < 1e-9, "{method}");
        assert!(
            told("original") != told("compressed") && told("compressed") != told("compensated"),
            "{method}"
        );
    }
    // Without data, what layers answer is not known.
    let blind = json(folder, &compensate(&["--method", "svd", "--rank", "6", "--output", "blind"]));
    let errors = blind["errors"]["weight_error"].as_array().unwrap();
    assert!(errors[1].as_f64().unwrap() < errors[0].as_f64().unwrap(), "{blind}");
    assert!(blind["errors"]["output_error"].is_null() && blind["modules"].as_array().unwrap().len() == 14);
    let factors = |name: &str| std::fs::read(folder.join(name).join("adapter_model.safetensors")).unwrap();
    assert!(factors("blind") == factors("svd"));
    assert!(output_errors[1..].iter().all(|error| output_errors[0] < *error), "{output_errors:?}");
    let whole = ["--rank", "64", "--merge", "--output", "whole"];
    let said = done(folder, &[&compensate(&SEEING)[..], &whole].concat());
    assert!(said.contains("Compensated into whole") && said.contains("self_attn.q_proj"), "{said}");
    let nll = |model: &str| nll(folder, &[model]);
    assert!((nll("./whole") - nll("./model")).abs() < 1e-4);
    refused_with_hint(folder, &[&compensate(&SEEING)[..], &whole].concat(), "exists already");
    let same = ["compensate", "./model", "./model", "--output", "x"];
    refused_with_hint(folder, &[&same[..], &SEEING].concat(), "alike in all of 14 matrices");
    assert!(!folder.join("x").exists());
}
