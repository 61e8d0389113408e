//! A model made smaller, and every command on what came of it.

use crate::common::{done, folder_with_model, json, nll, refused, refused_with_hint};
use rankine_testkit::{fixtures, tiny};
use serde_json::Value;

#[test]
fn a_thin_model_is_one_for_every_command() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let compress = ["compress", "./model", "--ratio", "0.5", "--output", "thin"];
    let planned = done(folder, &[&compress[..], &["--dry-run"]].concat());
    assert!(planned.contains("Would write thin") && !folder.join("thin").exists(), "{planned}");
    let report = json(folder, &compress);
    assert_eq!((report["matrices"].as_array().unwrap().len(), &report["left"]), (14, &Value::Array(vec![])));
    let query = |matrix: &&Value| matrix["module"] == "model.layers.0.self_attn.q_proj";
    assert_eq!(report["matrices"].as_array().unwrap().iter().find(query).unwrap()["rank"], 8);
    let error = report["relative_error"].as_f64().unwrap();
    assert!((0.05..0.95).contains(&error), "{report}");
    assert!(report["bytes"].as_u64().unwrap() < report["bytes_before"].as_u64().unwrap());
    let nll = |model: &[&str]| nll(folder, model);
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
    refused_with_hint(folder, &["merge", "./model", "--output", "x"], "no thin layers");
    refused_with_hint(folder, &["compress", "./thin", "--output", "x"], "thin already");
    refused_with_hint(folder, &compress, "exists already");
    // Before anything is measured.
    refused_with_hint(folder, &[&compress[..], &["--eval", "missing.json"]].concat(), "exists already");
}

#[test]
fn settings_belong_to_their_method() {
    let root = folder_with_model();
    let folder = root.path();
    let compress = |more: &[&'static str]| [&["compress", "./model", "--output", "x"], more].concat();
    refused_with_hint(folder, &compress(&["--sparsity", "0.5"]), "`lowrank` takes no `--sparsity`");
    refused_with_hint(folder, &compress(&["--method", "magnitude"]), "`magnitude` takes `--sparsity`");
    refused_with_hint(folder, &compress(&["--method", "magnitude", "--rank", "3"]), "it takes `--sparsity`");
    refused_with_hint(folder, &compress(&["--method", "prune-2:4", "--rank", "3"]), "leave out `--rank`");
    refused_with_hint(folder, &compress(&["--iterations", "3"]), "add `--svd randomized`");
    refused_with_hint(folder, &compress(&["--method", "wanda", "--sparsity", "0.5"]), "with `--calibration`");
    refused_with_hint(
        folder,
        &compress(&["--method", "quantize", "--bits", "9"]),
        "`bits` should be from 2 to 8",
    );
    refused_with_hint(folder, &compress(&["--method", "monarch", "--blocks", "5"]), "none of 14 matrices");
    refused_with_hint(
        folder,
        &compress(&["--calibration", "model/config.json"]),
        "`lowrank` looks at no inputs",
    );
    refused_with_hint(folder, &compress(&["--ratio", "1.5"]), "`ratio` should be above 0 and below 1");
    refused_with_hint(folder, &compress(&["--rank", "500"]), "none of 14 matrices");
    refused_with_hint(folder, &compress(&["--target", "q_prj"]), "q_prj");
    assert!(!folder.join("x").exists());
    let pruned = ["--method", "magnitude", "--sparsity", "0.25", "--target", "q_proj"];
    let said = done(folder, &compress(&pruned));
    assert!(said.contains("Compressed into x") && !said.contains("stored as factors"), "{said}");
    let dense = done(folder, &["compress", "./model", "--rank", "2", "--dense", "--output", "dense"]);
    assert!(dense.contains("self_attn.q_proj") && !dense.contains("stored as factors"), "{dense}");
    done(folder, &["generate", "./dense", "--raw", "--prompt", "x", "--max-tokens", "1"]);
}

#[test]
fn a_model_of_convolutions_is_told_what_takes_them() {
    let root = tempfile::tempdir().unwrap();
    let resnet = fixtures::path("images/resnet");
    let compress = ["compress", resnet.to_str().unwrap(), "--output", "x"];
    refused_with_hint(root.path(), &compress, "no linear layers but its head");
    refused(root.path(), &compress, "rankine train --method pela --target");
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
        let report = json(folder, &arguments);
        assert_eq!(report["method"], method);
        assert_eq!(report["matrices"].as_array().unwrap().len(), 14, "{method}");
        let evaluation = &report["evaluation"];
        for model in ["original", "compressed"] {
            assert!(evaluation[model]["nll"].as_f64().unwrap() > 0.0, "{method}: {evaluation}");
        }
        assert_ne!(evaluation["original"]["nll"], evaluation["compressed"]["nll"], "{method}");
        let alone = nll(folder, &[&format!("./{output}")]);
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
    refused_with_hint(folder, &short, "fewer than one window of 512");
    assert!(!folder.join("x").exists());
}
