//! Models as GGUF files and back, and every command on what came of it.

use crate::common::{done, folder_with_model, json, nll, refused};
use rankine_testkit::tiny;
use serde_json::Value;

#[test]
fn a_model_in_one_file_is_the_model() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let nll = |model: &[&str]| nll(folder, model);
    let planned = done(folder, &["convert", "./model", "model.gguf", "--dry-run"]);
    assert!(planned.contains("Would write model.gguf") && !folder.join("model.gguf").exists(), "{planned}");
    done(folder, &["convert", "./model", "model.gguf"]);
    let expected = nll(&["./model"]);
    assert!((nll(&["./model.gguf"]) - expected).abs() < 1e-5);
    let back = json(folder, &["convert", "model.gguf", "./back", "--shard-size", "50kB"]);
    assert!(1 < back["files"].as_array().unwrap().len());
    assert!((nll(&["./back"]) - expected).abs() < 1e-5);
    let report = json(folder, &["quantize", "./model", "--to", "q8_0", "--output", "q8.gguf"]);
    assert!(report["relative_error"].as_f64().unwrap() < 0.01, "{report}");
    assert!((8.5..10.0).contains(&report["bits_per_weight"].as_f64().unwrap()), "{report}");
    assert!((nll(&["./q8.gguf"]) - expected).abs() < 0.02);
    let again = ["quantize", "model.gguf", "--to", "q8_0", "--output", "again.gguf"];
    done(folder, &again);
    let name = |tensor: &Value| tensor["to"] == "q8_0";
    assert!(report["tensors"].as_array().unwrap().iter().any(name));
    assert!((nll(&["./again.gguf"]) - nll(&["./q8.gguf"])).abs() < 1e-6);
    let said = done(folder, &["quantize", "./model", "--to", "q4_k", "--output", "q4.gguf", "--dry-run"]);
    assert!(said.contains("q5_0 instead of q4_k") && !folder.join("q4.gguf").exists(), "{said}");
    refused(folder, &again, "exists already");
    refused(folder, &["quantize", "./model", "--to", "iq4_nl", "--output", "x.gguf"], "q4_k_m");
    refused(folder, &["quantize", "./model", "--to", "q8_0", "--output", "model/x.gguf"], "lies inside");
    refused(folder, &["convert", "./model", "x.safetensors"], "written as a directory");
}

#[test]
fn an_adapter_is_merged_into_the_blocks_of_its_base() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    done(folder, &["quantize", "./model", "--to", "q8_0", "--output", "base.gguf"]);
    let train = ["train", "./base.gguf", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "2", "--output", "run"]].concat());
    let merge = ["merge", "./base.gguf", "run", "--requantize", "same", "--output", "merged.gguf"];
    let plan = json(folder, &[&merge[..], &["--dry-run"]].concat());
    assert!(plan["dry_run"] == true && plan["tensors"].as_array().is_some_and(|all| !all.is_empty()));
    let folded = json(folder, &["merge", "./base.gguf", "run", "--output", "folded"]);
    assert_eq!(folded["files"][0]["name"], "model.safetensors");
    assert!(folded["changes"][0]["relative_change"].as_f64().is_some_and(|change| 0.0 < change), "{folded}");
    let planned = done(folder, &[&merge[..], &["--dry-run"]].concat());
    assert!(planned.contains("Would write merged.gguf") && !folder.join("merged.gguf").exists());
    let said = done(folder, &[&merge[..], &["--report"]].concat());
    assert!(said.contains("blk.0.attn_q.weight") && !said.contains("token_embd.weight"), "{said}");
    let sizes = ["base.gguf", "merged.gguf"].map(|name| folder.join(name).metadata().unwrap().len());
    assert_eq!(sizes[0], sizes[1]);
    let nll = |model: &[&str]| nll(folder, model);
    assert!((nll(&["./merged.gguf"]) - nll(&["./base.gguf", "--adapter", "run"])).abs() < 0.02);
    refused(
        folder,
        &["merge", "./model", "run", "--requantize", "same", "--output", "x.gguf"],
        "no GGUF file",
    );
    refused(folder, &[&merge[..], &["--verify"]].concat(), "--verify");
    refused(folder, &["merge", "./base.gguf", "run", "--report", "--output", "x"], "--requantize");
}
