//! Adapters, methods and data that do not fit: what is wrong is named, with what to do, and nothing is left behind.

use crate::common::{folder_with_model, json, run, words};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::{Map, Value};
use std::path::Path;

/// A LoRA of rank 4 for the model, with a changed configuration.
fn adapter(folder: &Path, name: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    json(folder, &["init", "./model", "--method", "lora", "--rank", "4", "--output", name]);
    let path = folder.join(name).join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(config.as_object_mut().unwrap());
    std::fs::write(path, config.to_string()).unwrap();
}

/// Commands that use an adapter on a base, and one that combines it.
fn commands<'a>(base: &'a str, name: &'a str) -> [Vec<&'a str>; 5] {
    [
        vec!["merge", base, name, "--output", "made"],
        vec!["adapter", "convert", name, "--base", base, "--output", "made"],
        vec!["adapter", "export", name, "--base", base, "--gguf", "made.gguf"],
        vec!["generate", base, "--adapter", name, "--prompt", "x", "--max-tokens", "1"],
        vec!["adapter", "combine", name, name, "--weights", "0.5,0.5", "--output", "made"],
    ]
}

/// All of them are refused with these words and a hint; nothing is made, and nothing half-made stays.
fn refused(folder: &Path, commands: &[Vec<&str>], why: &[&str]) {
    for command in commands {
        let output = run(folder, command);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("error: ") && said.contains("hint: "), "{command:?}: {said}");
        why.iter().for_each(|part| assert!(said.contains(part), "{command:?}: `{part}`: {said}"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains("made"), "{command:?} left `{name}`");
        }
    }
}

#[test]
fn an_adapter_that_is_damaged_or_unknown_is_refused_by_every_command() {
    let root = folder_with_model();
    let folder = root.path();
    adapter(folder, "nothing", |config| {
        config.insert("lora_alpha".to_owned(), 0.into());
    });
    refused(folder, &commands("./model", "nothing"), &["`lora_alpha`: a scale of zero"]);
    adapter(folder, "stranger", |config| {
        config.insert("peft_type".to_owned(), "LORAX".into());
    });
    refused(folder, &commands("./model", "stranger"), &["type `LORAX`", "LORA and LN_TUNING can"]);
    adapter(folder, "magic", |config| {
        config.insert("init_lora_weights".to_owned(), "magic".into());
    });
    let why = [
        "`init_lora_weights`: `magic` is not known",
        "gaussian, eva",
        "pissa_niter_N",
        "set the key to true",
    ];
    refused(folder, &commands("./model", "magic"), &why);
    adapter(folder, "diverged", |_| {});
    let path = folder.join("diverged/adapter_model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    refused(folder, &commands("./model", "diverged"), &["holds NaN, which is no finite number", "diverged"]);
    let check = run(folder, &["adapter", "check", "diverged", "--base", "./model"]);
    let said = words(&check.stdout);
    assert!(check.status.code() == Some(1) && said.contains("1 of ") && said.contains("NaN"), "{said}");
}

#[test]
fn an_adapter_for_another_base_names_the_nearest_module() {
    let root = folder_with_model();
    let folder = root.path();
    adapter(folder, "fine", |_| {});
    tiny::llama(&folder.join("shallow"), &TinyLlama { layers: 1, ..TinyLlama::default() }, 1);
    let why = [
        "the tensors do not fit",
        "14 unexpected",
        "made for another base model",
        "is nearest to `model.layers.1.",
    ];
    refused(folder, &commands("./shallow", "fine")[..4], &why);
    tiny::llama(&folder.join("narrow"), &TinyLlama { hidden: 16, ..TinyLlama::default() }, 1);
    let why = ["misshapen", "[4, 32], not [4, 16]", "made for another base model"];
    refused(folder, &commands("./narrow", "fine")[..4], &why);
}

#[test]
fn a_rank_above_a_matrix_is_named_before_anything_is_made() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(8)).unwrap();
    let rank = ["--method", "pissa", "--rank", "20", "--output", "made"];
    let train = [&["train", "./model", "--data", "data.json"], &rank[..]].concat();
    let init = [&["init", "./model"], &rank[..]].concat();
    // The keys are the first that are narrower than that.
    let why = ["`model.layers.0.self_attn.k_proj.weight`: rank 20 is not between 1 and 16", "at most 16"];
    refused(folder, &[train, init], &why);
}

#[test]
fn a_method_that_does_not_fit_a_weight_names_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    tiny::idx_images(folder, 6, 12, 3);
    let path = |name: &str| fixtures::path(name).to_str().unwrap().to_owned();
    let [resnet, mobilenet] = ["images/resnet", "images/mobilenet/model.pth"].map(path);
    let pissa =
        vec!["init", &resnet, "--method", "pissa", "--rank", "2", "--target", "conv1", "--output", "made"];
    let why = [
        "`pissa` does not take over",
        "it is a convolution",
        "taken over by: full, lora, eva, flora, salt, svfit, loldu, pela",
    ];
    refused(folder, &[pissa], &why);
    let eva = ["init", &mobilenet, "--method", "eva", "--rank", "2", "--target", "features.3.conv.1.0"];
    let data = ["--data", "train-images-idx3-ubyte", "--output", "made"];
    let why = ["`features.3.conv.1.0.weight` is a convolution in 24 groups", "leave it out of the targets"];
    refused(folder, &[[&eva[..], &data].concat()], &why);
}

#[test]
fn a_calibration_text_that_is_too_short_is_told() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("short.json"), r#"[{"instruction": "Say a.", "output": "a"}]"#).unwrap();
    let eva =
        ["init", "./model", "--method", "eva", "--rank", "4", "--data", "short.json", "--output", "made"];
    let why = ["8 directions of variance need more than 8 inputs", "a longer calibration text"];
    refused(folder, &[eva.to_vec()], &why);
    let short = [&eva[..], &["--max-length", "2"]].concat();
    refused(folder, &[short], &["lose their whole answer at 2 tokens", "raise the maximum length to "]);
    let prompt = "What color is the sky? ".repeat(200);
    let long = serde_json::json!([{"instruction": prompt, "output": "a"}]).to_string();
    std::fs::write(folder.join("short.json"), long).unwrap();
    let long = [&eva[..], &["--max-length", "9000"]].concat();
    refused(folder, &[long], &["shorten the prompts", "and the model no more than "]);
    std::fs::write(folder.join("short.txt"), "The sky.").unwrap();
    let wanda = ["compress", "./model", "--method", "wanda", "--sparsity", "0.5", "--output", "made"];
    let text = ["--calibration", "short.txt", "--calibration-length", "64"];
    let why = ["short.txt` has ", "fewer than one window of 64", "--calibration-length"];
    refused(folder, &[[&wanda[..], &text].concat()], &why);
}
