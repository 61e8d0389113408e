//! A model made smaller, and every command on what came of it.

use crate::common::{folder_with_model, run, words};
use rankine_testkit::tiny;
use serde_json::Value;
use std::path::Path;

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", words(&output.stderr));
    words(&output.stdout)
}

fn refused(folder: &Path, arguments: &[&str], why: &str) {
    let output = run(folder, arguments);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(why) && said.contains("hint: "), "{said}");
}

#[test]
fn a_thin_model_is_one_for_every_command() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let compress = ["compress", "./model", "--ratio", "0.5", "--output", "thin"];
    let planned = done(folder, &[&compress[..], &["--dry-run"]].concat());
    assert!(planned.contains("Would write thin") && !folder.join("thin").exists(), "{planned}");
    let report: Value = serde_json::from_str(&done(folder, &[&compress[..], &["--json"]].concat())).unwrap();
    assert_eq!((report["matrices"].as_array().unwrap().len(), &report["left"]), (14, &Value::Array(vec![])));
    let query = |matrix: &&Value| matrix["module"] == "model.layers.0.self_attn.q_proj";
    assert_eq!(report["matrices"].as_array().unwrap().iter().find(query).unwrap()["rank"], 8);
    let error = report["relative_error"].as_f64().unwrap();
    assert!((0.05..0.95).contains(&error), "{report}");
    assert!(report["bytes"].as_u64().unwrap() < report["bytes_before"].as_u64().unwrap());
    let nll = |model: &[&str]| -> f64 {
        let arguments = [&["evaluate"][..], model, &["--data", "data.json", "--json"]].concat();
        serde_json::from_str::<Value>(&done(folder, &arguments)).unwrap()["nll"].as_f64().unwrap()
    };
    let thin = nll(&["./thin"]);
    done(folder, &["generate", "./thin", "--raw", "--prompt", "The sky", "--max-tokens", "4"]);
    let train = ["train", "./thin", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "2", "--output", "run"]].concat());
    let adapted = nll(&["./thin", "--adapter", "run"]);
    let merged = done(folder, &["merge", "./thin", "run", "--output", "merged", "--verify"]);
    assert!(merged.contains("the same model"), "{merged}");
    assert!((nll(&["./merged"]) - adapted).abs() < 1e-3);
    let whole = done(folder, &["merge", "./thin", "--output", "whole", "--verify"]);
    assert!(whole.contains("the same model"), "{whole}");
    assert!((nll(&["./whole"]) - thin).abs() < 1e-3);
    refused(folder, &["merge", "./model", "--output", "x"], "no thin layers");
    refused(folder, &["compress", "./thin", "--output", "x"], "thin already");
    refused(folder, &compress, "exists already");
    // Before anything is measured.
    refused(folder, &[&compress[..], &["--eval", "missing.json"]].concat(), "exists already");
}

#[test]
fn settings_belong_to_their_method() {
    let root = folder_with_model();
    let folder = root.path();
    let compress = |more: &[&'static str]| [&["compress", "./model", "--output", "x"], more].concat();
    refused(folder, &compress(&["--sparsity", "0.5"]), "`lowrank` takes no `--sparsity`");
    refused(folder, &compress(&["--method", "magnitude"]), "`magnitude` takes `--sparsity`");
    refused(folder, &compress(&["--method", "magnitude", "--rank", "3"]), "it takes `--sparsity`");
    refused(folder, &compress(&["--method", "prune-2:4", "--rank", "3"]), "leave out `--rank`");
    refused(folder, &compress(&["--iterations", "3"]), "add `--svd randomized`");
    refused(folder, &compress(&["--method", "wanda", "--sparsity", "0.5"]), "with `--calibration`");
    refused(folder, &compress(&["--method", "quantize", "--bits", "9"]), "`bits` should be from 2 to 8");
    refused(folder, &compress(&["--method", "monarch", "--blocks", "5"]), "none of 14 matrices");
    refused(folder, &compress(&["--calibration", "model/config.json"]), "`lowrank` looks at no inputs");
    refused(folder, &compress(&["--ratio", "1.5"]), "`ratio` should be above 0 and below 1");
    refused(folder, &compress(&["--rank", "500"]), "none of 14 matrices");
    refused(folder, &compress(&["--target", "q_prj"]), "q_prj");
    assert!(!folder.join("x").exists());
    let pruned = ["--method", "magnitude", "--sparsity", "0.25", "--target", "q_proj"];
    let said = done(folder, &compress(&pruned));
    assert!(said.contains("Compressed into x") && !said.contains("stored as factors"), "{said}");
    let dense = done(folder, &["compress", "./model", "--rank", "2", "--dense", "--output", "dense"]);
    assert!(dense.contains("self_attn.q_proj") && !dense.contains("stored as factors"), "{dense}");
    done(folder, &["generate", "./dense", "--raw", "--prompt", "x", "--max-tokens", "1"]);
}

#[test]
fn every_method_tells_what_it_does_to_the_model() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    std::fs::write(folder.join("text.txt"), "The sky is blue and the sea is deep. ".repeat(12)).unwrap();
    let seeing = ["--calibration", "text.txt", "--calibration-samples", "8", "--calibration-length", "32"];
    let ways: [(&str, &[&str]); 8] = [
        ("lowrank", &["--rank", "6", "--svd", "randomized", "--iterations", "2"]),
        ("svd-activation", &["--ratio", "0.5"]),
        ("monarch", &["--blocks", "4"]),
        ("prune-2:4", &[]),
        ("prune-2:4", &seeing),
        ("wanda", &["--pattern", "1:4"]),
        ("wanda", &["--sparsity", "0.3"]),
        ("quantize", &["--bits", "3", "--group-size", "16", "--symmetric"]),
    ];
    for (at, (method, more)) in ways.into_iter().enumerate() {
        let output = format!("out{at}");
        let mut arguments = vec!["compress", "./model", "--method", method, "--output", &output];
        arguments.extend(more);
        if matches!(method, "wanda" | "svd-activation") {
            arguments.extend(seeing);
        }
        arguments.extend(["--eval", "data.json"]);
        let report: Value =
            serde_json::from_str(&done(folder, &[&arguments[..], &["--json"]].concat())).unwrap();
        assert_eq!(report["method"], method);
        assert_eq!(report["matrices"].as_array().unwrap().len(), 14, "{method}");
        let evaluation = &report["evaluation"];
        for model in ["original", "compressed"] {
            assert!(evaluation[model]["nll"].as_f64().unwrap() > 0.0, "{method}: {evaluation}");
        }
        assert_ne!(evaluation["original"]["nll"], evaluation["compressed"]["nll"], "{method}");
        let alone = done(folder, &["evaluate", &format!("./{output}"), "--data", "data.json", "--json"]);
        let alone = serde_json::from_str::<Value>(&alone).unwrap()["nll"].as_f64().unwrap();
        let told = evaluation["compressed"]["nll"].as_f64().unwrap();
        assert!((alone - told).abs() < 1e-9, "{method}: {alone}, {told}");
    }
    let page = done(
        folder,
        &["compress", "./model", "--method", "quantize", "--output", "page", "--eval", "data.json"],
    );
    assert!(page.contains("original") && page.contains("On data.json"), "{page}");
    std::fs::write(folder.join("short.txt"), "The sky.").unwrap();
    let short = [
        "compress",
        "./model",
        "--method",
        "wanda",
        "--sparsity",
        "0.5",
        "--output",
        "x",
        "--calibration",
        "short.txt",
    ];
    refused(folder, &short, "fewer than one window of 512");
    assert!(!folder.join("x").exists());
}
