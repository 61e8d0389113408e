//! Models as GGUF files and back, and every command on what came of it.

use crate::common::{done, folder_with_model, json, nll, refused};
use rankine_checkpoint::gguf::{self, Array, Gguf};
use rankine_checkpoint::{Dtype, TensorInfo};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::{Map, Value, json};
use std::path::Path;

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

/// What python's `gguf` read in such files of every type; `fixtures/make_read_back.py`.
#[test]
fn files_are_what_the_gguf_package_read() {
    let expected: Value = serde_json::from_str(include_str!("../fixtures/read_back.json")).unwrap();
    let object = |key: &str| expected[key].as_object().unwrap();
    let (root, tensors) = (tempfile::tempdir().unwrap(), object("tensors"));
    let folder = root.path();
    let (vocabulary, hidden, inner, head_dim) = (tiny::TOKENS + 2, 256, 256, 64);
    let shape = TinyLlama { vocabulary, hidden, inner, head_dim, tied: false, ..TinyLlama::default() };
    tiny::llama(&folder.join("model"), &shape, 1);
    add_merges(&folder.join("model/tokenizer.json"));
    for (word, file) in object("files") {
        done(folder, &["quantize", "./model", "--to", word, "--output", "model.gguf", "--force"]);
        let gguf = Gguf::open(folder.join("model.gguf")).unwrap();
        let keys = gguf.metadata().0.iter().map(|(key, value)| (key.clone(), as_json(value)));
        let mut keys: Map<String, Value> = keys.collect();
        assert_eq!(keys.remove("general.file_type").unwrap_or_default(), file["file_type"], "{word}");
        assert_eq!(keys, *object("keys"), "{word}");
        assert!(gguf.stored_tensors().map(|(name, ..)| name).eq(tensors.keys()), "{word}");
        let first = gguf.stored_tensors().next().unwrap().2.as_ptr().addr();
        let listed = fixtures::strings(&file["types"]).into_iter().zip(fixtures::tokens(&file["offsets"]));
        for ((name, info, bytes), (kind, offset)) in gguf.stored_tensors().zip(listed) {
            assert_eq!((json!(info.shape), type_name(info)), (tensors[name].clone(), kind), "{word}: {name}");
            // The file is mapped from the beginning of a page on.
            let place = bytes.as_ptr().addr();
            assert_eq!((place % 32, place - first), (0, offset as usize), "{word}: {name}");
        }
    }
}

/// Without any merge llama.cpp does not load a tokenizer.
fn add_merges(path: &Path) {
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let model = &mut tokenizer["model"];
    for (at, token) in ["th", "Ġs"].into_iter().enumerate() {
        model["vocab"][token] = json!(tiny::TOKENS + at);
    }
    model["merges"] = json!(["t h", "Ġ s"]);
    std::fs::write(path, tokenizer.to_string()).unwrap();
}

/// A type as the package names it.
fn type_name(info: &TensorInfo) -> String {
    match info.dtype {
        Dtype::Quantized(format) => format.name().to_owned(),
        plain => format!("{plain:?}").to_uppercase(),
    }
}

/// A value as the package gives it.
fn as_json(value: &gguf::Value) -> Value {
    let integer = |number: i128| i64::try_from(number).unwrap();
    match value {
        gguf::Value::String(text) => json!(text),
        gguf::Value::Bool(flag) => json!(flag),
        gguf::Value::F32(number) => json!(f64::from(*number)),
        gguf::Value::Array(Array::String(texts)) => json!(texts),
        gguf::Value::Array(array) => {
            json!(array.integers().unwrap().into_iter().map(integer).collect::<Vec<_>>())
        }
        other => json!(other.integer().map(integer).unwrap()),
    }
}
