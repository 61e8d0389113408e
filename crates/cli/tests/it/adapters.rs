//! Making, checking, converting, combining and exporting adapters.

use crate::common::{folder_with_model, json, run, words};
use rankine_checkpoint::{Adapter, Checkpoint};
use rankine_testkit::fixtures;
use serde_json::Value;
use std::path::Path;

fn refused(folder: &Path, arguments: &[&str], fault: &str) {
    let output = run(folder, arguments);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    // What is told of the input may stand before it.
    let error = said.lines().find(|line| !line.starts_with("warning: ")).unwrap_or_default();
    assert!(error.starts_with("error: ") && said.contains(fault), "{said}");
}

fn init(folder: &Path, output: &str, more: &[&str]) -> Value {
    json(folder, &[&["init", "./model", "--rank", "4", "--output", output], more].concat())
}

/// Every weight of the second model is that of the first.
pub fn assert_same(folder: &Path, [expected, found]: [&str; 2], tolerance: f32) {
    let [expected, found] = [expected, found].map(|name| Checkpoint::open(folder.join(name)).unwrap());
    for name in expected.tensors().infos().keys() {
        let (expected, found) = (expected.read(name).unwrap(), found.read(name).unwrap());
        let worst = expected.iter().zip(&found).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(expected.len() == found.len() && worst <= tolerance, "{name}: {worst}");
    }
}

#[test]
fn a_start_and_its_residual_are_the_model() {
    let folder = folder_with_model();
    let folder = folder.path();
    let made = init(folder, "start", &["--method", "pissa", "--svd", "randomized", "--iterations", "2"]);
    assert_eq!((&made["residual"], &made["weights"]), (&"start/residual".into(), &14.into()));
    assert_eq!(made["method"]["pissa"]["iterations"], 2);
    let check = ["adapter", "check", "start", "--base"];
    let answer = json(folder, &[&check[..], &["start/residual"]].concat());
    assert_eq!((&answer["usable"], &answer["configuration"]["rank"]), (&true.into(), &4.into()));
    // On the model itself it would run, and be wrong.
    let output = run(folder, &[&check[..], &["./model", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["usable"], &answer["findings"][0]["kind"]), (&false.into(), &"other_base".into()));
    json(folder, &["adapter", "convert", "start", "--base", "start/residual", "--output", "plain"]);
    for adapter in ["start", "plain"] {
        let merge = ["merge", "start/residual", adapter, "--output", "merged", "--force"];
        let output = run(folder, &merge);
        assert!(output.status.success(), "{}", words(&output.stderr));
        assert_same(folder, ["model", "merged"], 2e-6);
    }
}

#[test]
fn a_seed_gives_the_same_start() {
    let folder = folder_with_model();
    let bytes = |name: &str, seed: &str, method: &str| {
        init(folder.path(), name, &["--method", method, "--seed", seed, "--target", "q_proj,up_proj"]);
        std::fs::read(folder.path().join(name).join("adapter_model.safetensors")).unwrap()
    };
    assert_eq!(bytes("a", "1", "lora"), bytes("b", "1", "lora"));
    assert_ne!(bytes("c", "2", "lora"), bytes("d", "3", "lora"));
    assert_eq!(bytes("e", "1", "pissa"), bytes("f", "1", "pissa"));
    assert!(!folder.path().join("a/residual").exists());
    let adapter = Adapter::open(&folder.path().join("a")).unwrap();
    assert_eq!(adapter.low_rank.len(), 4);
    let expected = folder.path().join("./model").canonicalize().unwrap();
    let named = adapter.config.base_model.unwrap();
    assert_eq!(Path::new(&named).canonicalize().unwrap(), expected);
}

#[test]
fn a_start_that_cannot_be_made_leaves_nothing() {
    let folder = folder_with_model();
    let folder = folder.path();
    let init = |more: &[&'static str]| [&["init", "./model", "--output", "start"], more].concat();
    refused(folder, &init(&["--method", "pisa"]), "`pisa`");
    refused(folder, &init(&["--rank", "1000"]), "rank 1000");
    refused(folder, &init(&["--target", "q_prj"]), "q_prj");
    refused(folder, &init(&["--set", "nonsense=1"]), "nonsense");
    refused(folder, &init(&["--set", "rslora"]), "KEY=VALUE");
    refused(folder, &init(&["--method", "lora", "--svd", "exact"]), "svd");
    refused(folder, &init(&["--method", "lora", "--alpha", "0"]), "hint: `rankine methods lora`");
    assert!(!folder.join("start").exists());
    refused(folder, &["init", "./model", "--rank", "2", "--output", "model"], "model");
    refused(folder, &["init", "./model", "--rank", "2", "--output", "model", "--force"], "would be replaced");
    assert!(folder.join("model/config.json").is_file());
}

#[test]
fn a_check_tells_words_and_codes() {
    let folder = folder_with_model();
    let folder = folder.path();
    init(folder, "fine", &["--method", "lora"]);
    let check = ["adapter", "check", "fine", "--base", "./model"];
    let output = run(folder, &check);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    assert!(words(&output.stdout).contains("fits the base"), "{}", words(&output.stdout));
    let config = folder.join("fine/adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("model.layers.0.mlp.up_proj", "model.layers.0.mlp.upp_proj"))
        .unwrap();
    let output = run(folder, &check);
    let said = words(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("up_proj") && said.contains("hint: "), "{said}");
    refused(folder, &["adapter", "check", "absent", "--base", "./model"], "absent");
}

#[test]
fn adapters_are_converted_and_combined() {
    let folder = folder_with_model();
    let folder = folder.path();
    init(folder, "a", &["--method", "pissa", "--seed", "1"]);
    init(folder, "other", &["--method", "pissa", "--seed", "2", "--svd", "randomized"]);
    let cut = ["adapter", "convert", "a", "--base", "a/residual", "--rank", "2", "--output", "small"];
    let report = json(folder, &cut);
    assert_eq!((&report["rank"], report["modules"].as_array().unwrap().len()), (&2.into(), 14));
    let error = report["relative_error"].as_f64().unwrap();
    assert!(0.1 < error && error < 1.0, "{error}");
    refused(folder, &cut, "small");
    refused(folder, &[&cut[..], &["--energy", "0.9"]].concat(), "--energy");
    json(folder, &["adapter", "convert", "a", "--base", "a/residual", "--rank", "3", "--output", "b"]);
    let combine = ["adapter", "combine", "small", "b", "--weights", "0.5,-0.25", "--output"];
    let cat = json(folder, &[&combine[..], &["cat", "--method", "cat"]].concat());
    assert_eq!((&cat["rank"], &cat["relative_error"]), (&5.into(), &0.0.into()));
    let svd = json(folder, &[&combine[..], &["svd"]].concat());
    assert_eq!(svd["rank"], 3);
    let linear = json(folder, &[&combine[..], &["linear", "--method", "linear"]].concat());
    assert!(linear["relative_error"].as_f64().unwrap() < 2e-6);
    assert!(linear["in_peft"]["note"].as_str().unwrap().contains("different ranks"), "{linear}");
    assert!(svd["in_peft"].is_null() && cat["in_peft"].is_null());
    for name in ["cat", "linear"] {
        let output = run(folder, &["merge", "a/residual", name, "--output", &format!("merged-{name}")]);
        assert!(output.status.success(), "{}", words(&output.stderr));
    }
    assert_same(folder, ["merged-cat", "merged-linear"], 2e-6);
    refused(folder, &[&combine[..], &["x", "--method", "cat", "--rank", "3"]].concat(), "keeps everything");
    refused(folder, &[&combine[..], &["b", "--force"]].concat(), "would be replaced");
    let strangers = ["adapter", "combine", "a", "other", "--weights", "1,1", "--output", "x"];
    refused(folder, &strangers, "residual base");
    refused(folder, &[&combine[..], &["x", "--method", "ties"]].concat(), "leaves entries out");
    refused(folder, &[&combine[..], &["x", "--density", "0.5"]].concat(), "--density");
    refused(folder, &[&combine[..], &["x", "--energy", "0"]].concat(), "hint: for example `--energy");
    let nothing = ["x", "--method", "ties", "--density", "0"];
    refused(folder, &[&combine[..], &nothing].concat(), "hint: for example `--density");
    let no_number = ["adapter", "combine", "small", "b", "--weights", "NaN,1", "--output", "x"];
    refused(folder, &no_number, "hint: for example `--weights");
    let no_weight = ["adapter", "combine", "small", "b", "--weights", "0,-0", "--output", "x"];
    refused(folder, &no_weight, "`weights` should be numbers that are not all 0; found 0, -0");
    refused(folder, &no_weight, "hint: for example `--weights");
    for method in ["ties", "dare"] {
        let sparse = ["--method", method, "--density", "0.5", "--rank", "3"];
        let made = json(folder, &[&combine[..], &[method], &sparse].concat());
        assert_eq!(made["rank"], 3);
        assert!(made["in_peft"]["note"].as_str().unwrap().contains("apart"), "{made}");
    }
    let linear = |other| ["adapter", "combine", "b", other, "--weights", "0.5,0.25", "--method", "linear"];
    let made = json(folder, &[&linear("ties")[..], &["--output", "apart"]].concat());
    let difference = made["in_peft"]["difference"].as_f64().unwrap();
    assert!(0.01 < difference && difference < 10.0, "{made}");
    // Of an adapter and itself peft makes (√½ + √¼)² of its change, and not ¾.
    let twice = json(folder, &[&linear("b")[..], &["--output", "twice"]].concat());
    let difference = twice["in_peft"]["difference"].as_f64().unwrap();
    let expected = (0.5_f64.sqrt() + 0.5).powi(2) / 0.75 - 1.0;
    assert!((difference - expected).abs() < 1e-5, "{twice}");
    assert!(!folder.join("x").exists() && folder.join("a/residual/config.json").is_file());
}

/// What an initialisation took out of the base is told by the adapter that it made, or by what it left.
#[test]
fn adapters_on_an_altered_base_are_converted_for_the_original() {
    let root = folder_with_model();
    let folder = root.path();
    init(folder, "start", &["--method", "pissa", "--alpha", "4"]);
    init(folder, "trained", &["--method", "olora", "--alpha", "4"]);
    // As if a training on the residual of the one had led to the other.
    std::fs::remove_dir_all(folder.join("trained/residual")).unwrap();
    let config = folder.join("trained/adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    settings["base_model_name_or_path"] = "start/residual".into();
    std::fs::write(&config, settings.to_string()).unwrap();
    let convert = ["adapter", "convert", "trained", "--base", "./model", "--output"];
    refused(folder, &["merge", "./model", "trained", "--output", "x"], "`start/residual`");
    refused(folder, &[&convert[..], &["x", "--initial", "start"]].concat(), "leave `--initial` out");
    let residual = json(folder, &[&convert[..], &["residual", "--residual", "start/residual"]].concat());
    assert!(residual["relative_error"].as_f64().unwrap() < 1e-4, "{residual}");
    let found = run(folder, &[&convert[..], &["found"]].concat());
    let said = words(&found.stderr);
    assert!(found.status.success() && said.contains("`start/residual`, which is read too"), "{said}");
    let weights =
        |adapter: &str| std::fs::read(folder.join(adapter).join("adapter_model.safetensors")).unwrap();
    assert!(weights("found") == weights("residual"));
    let write = |settings: &Value| std::fs::write(&config, settings.to_string()).unwrap();
    // What alters the residual once more is converted for it first.
    let mut altering = settings.clone();
    altering["init_lora_weights"] = "pissa".into();
    write(&altering);
    for given in [&[][..], &["--residual", "start/residual"]] {
        refused(folder, &[&convert[..], &["x"], given].concat(), "`--base start/residual`");
    }
    settings["base_model_name_or_path"] = "./model".into();
    write(&settings);
    let initial = json(folder, &[&convert[..], &["initial", "--initial", "start"]].concat());
    assert!(initial["relative_error"].as_f64().unwrap() < 2e-6, "{initial}");
    let merge = |base: &str, adapter: &str, output: &str| {
        let output = run(folder, &["merge", base, adapter, "--output", output]);
        assert!(output.status.success(), "{}", words(&output.stderr));
    };
    merge("start/residual", "trained", "expected");
    for adapter in ["initial", "residual"] {
        let made = Adapter::open(&folder.join(adapter)).unwrap();
        assert!(made.config.base_model.unwrap().ends_with("model"), "{adapter}");
        let merged = format!("merged-{adapter}");
        merge("./model", adapter, &merged);
        assert_same(folder, ["expected", &merged], 1e-5);
    }
    refused(
        folder,
        &[&convert[..], &["x", "--initial", "start", "--residual", "start/residual"]].concat(),
        "--initial",
    );
    init(folder, "other", &["--method", "pissa", "--alpha", "8"]);
    refused(folder, &[&convert[..], &["x", "--initial", "other"]].concat(), "the scale of");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../surgery/tests/fixtures/kinds/vera");
    let vera = ["adapter", "convert", fixture.to_str().unwrap(), "--base", "./model", "--output", "x"];
    refused(folder, &[&vera[..], &["--initial", "start"]].concat(), "`VERA` stand on the base as it is");
    std::fs::create_dir(folder.join("vera")).unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(fixture.join(name), folder.join("vera").join(name)).unwrap();
    }
    let config = folder.join("vera/adapter_config.json");
    let mut other: Value = serde_json::from_str(&std::fs::read_to_string(&config).unwrap()).unwrap();
    other["base_model_name_or_path"] = "start/residual".into();
    std::fs::write(&config, other.to_string()).unwrap();
    let vera = ["adapter", "convert", "vera", "--base", "./model", "--output", "x"];
    refused(folder, &vera, "`--base start/residual`");
    let checked = run(folder, &["adapter", "check", "vera", "--base", "./model"]);
    assert!(words(&checked.stdout).contains("residual base `start/residual`"), "{}", words(&checked.stdout));
    assert!(!folder.join("x").exists());
    // Where it names the base itself, nothing is told of the altered one.
    let quiet = ["x", "--residual", "start/residual", "--rank", "8"];
    let output = run(folder, &[&convert[..], &quiet].concat());
    let said = words(&output.stderr);
    assert!(output.status.success() && !said.contains("was made for"), "{said}");
}

/// peft's other kinds are refused where a LoRA is needed, and become one.
#[test]
fn other_kinds_are_converted_first() {
    let folder = folder_with_model();
    let folder = folder.path();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = |name: &str| crates.join(name).to_str().unwrap().to_owned();
    let base = path("testkit/fixtures/models/llama_untied");
    let [vera, oft] = ["vera", "oft"].map(|kind| path(&format!("surgery/tests/fixtures/kinds/{kind}")));
    let said = words(&run(folder, &["merge", &base, &vera, "--output", "merged"]).stderr);
    assert!(said.contains("`VERA`") && said.contains("hint: convert it first"), "{said}");
    let output = run(folder, &["adapter", "check", &vera, "--base", &base, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &answer["findings"][0];
    assert!(finding["message"].as_str().unwrap().contains("`VERA`"), "{answer}");
    assert!(finding["hint"].as_str().unwrap().contains("rankine adapter convert"), "{answer}");
    let other = &answer["other"];
    assert_eq!((&other["kind"], &other["convertible"]), (&"VERA".into(), &true.into()), "{answer}");
    let output = run(folder, &["adapter", "check", &vera, "--base", "./model", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["other"]["convertible"]), (Some(1), &false.into()), "{answer}");
    assert_eq!(answer["findings"][1]["kind"], "misshapen", "{answer}");
    let damaged = folder.join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let mut bytes = std::fs::read(Path::new(&vera).join(name)).unwrap();
        if name.ends_with(".safetensors") {
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        std::fs::write(damaged.join(name), bytes).unwrap();
    }
    let output = run(folder, &["adapter", "check", "damaged", "--base", &base, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["other"]["convertible"], false, "{answer}");
    let report =
        json(folder, &["adapter", "convert", &vera, "--base", &base, "--to", "lora", "--output", "plain"]);
    assert_eq!((&report["rank"], report["modules"].as_array().unwrap().len()), (&3.into(), 2));
    assert!(report["relative_error"].as_f64().unwrap() < 5e-6, "{report}");
    assert_eq!(json(folder, &["adapter", "check", "plain", "--base", &base])["usable"], true);
    let convert = ["adapter", "convert", &oft, "--base", &base, "--output", "cut"];
    refused(folder, &convert, "full rank");
    let report = json(folder, &[&convert[..], &["--rank", "4"]].concat());
    assert!(report["rank"] == 4 && 0.01 < report["relative_error"].as_f64().unwrap(), "{report}");
}

#[test]
fn a_check_names_every_tensor_of_another_kind() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let base = crates.join("testkit/fixtures/models/llama_untied");
    let vera = crates.join("surgery/tests/fixtures/kinds/vera");
    std::fs::create_dir(folder.join("ranks")).unwrap();
    let weights = "adapter_model.safetensors";
    std::fs::copy(vera.join(weights), folder.join("ranks").join(weights)).unwrap();
    let config = std::fs::read(vera.join("adapter_config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["r"] = 4.into();
    std::fs::write(folder.join("ranks/adapter_config.json"), config.to_string()).unwrap();
    let output = run(folder, &["adapter", "check", "ranks", "--base", base.to_str().unwrap(), "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    let said: Vec<_> = findings.iter().filter_map(|finding| finding["message"].as_str()).collect();
    for key in ["k_proj.vera_lambda_d", "up_proj.vera_lambda_d", "base_model.vera_A", "base_model.vera_B"] {
        assert!(said.iter().any(|said| said.contains(key)), "{key}: {answer}");
    }
}

#[test]
fn adapters_are_exported_for_llama_cpp() {
    let folder = folder_with_model();
    let folder = folder.path();
    init(folder, "fine", &["--method", "lora"]);
    let export = ["adapter", "export", "fine", "--base", "./model", "--gguf", "made/lora.gguf"];
    let report = json(folder, &export);
    let (modules, bytes) = (report["modules"].as_array().unwrap().len(), report["bytes"].as_u64().unwrap());
    assert_eq!((&report["architecture"], &report["tensors"]), (&"llama".into(), &(2 * modules).into()));
    assert_eq!((&report["modules"][0]["rank"], &report["modules"][0]["folded"]), (&4.into(), &1.0.into()));
    assert_eq!(std::fs::metadata(folder.join("made/lora.gguf")).unwrap().len(), bytes);
    refused(folder, &export, "exists already");
    let halved = json(folder, &[&export[..], &["--force", "--dtype", "f16"]].concat());
    assert!(halved["bytes"].as_u64().unwrap() < bytes);
    let output = run(folder, &[&export[..], &["--force"]].concat());
    let said = words(&output.stdout);
    assert!(output.status.success() && said.contains("--lora made/lora.gguf"), "{said}");
    let to = |adapter, base, file| ["adapter", "export", adapter, "--base", base, "--gguf", file];
    refused(folder, &to("fine", "./model", "made"), "a folder, where a file should be");
    refused(folder, &to("fine", "./model", "model"), "is read from it");
    init(folder, "start", &["--method", "pissa"]);
    refused(folder, &to("start", "./model", "x/start.gguf"), "residual");
    json(folder, &to("start", "start/residual", "start.gguf"));
    assert!(!folder.join("x").exists());
}

/// A tokenizer of four special tokens and two words.
const WORDS: &str = r#"{
    "version": "1.0", "added_tokens": [], "normalizer": null, "decoder": null,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "model": {"type": "WordLevel", "unk_token": "[UNK]",
              "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "bad": 5}}
}"#;

#[test]
fn the_head_that_an_adapter_brings_fits_a_bare_encoder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    std::fs::create_dir(folder.join("bert")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = fixtures::path("classifiers/bert_bare").join(file);
        std::fs::copy(from, folder.join("bert").join(file)).unwrap();
    }
    std::fs::write(folder.join("bert/tokenizer.json"), WORDS).unwrap();
    std::fs::write(folder.join("data.csv"), "text,label\ngood,1\nbad,0\n").unwrap();
    let how = ["--method", "lora", "--rank", "2", "--steps", "1", "--set", "data.validation=0"];
    let output =
        run(folder, &[&["train", "./bert", "--data", "data.csv", "--output", "run"], &how[..]].concat());
    assert!(output.status.success(), "{}", words(&output.stderr));
    json(folder, &["adapter", "convert", "run", "--base", "./bert", "--output", "plain"]);
    let classes = |name: &str| std::fs::read_to_string(folder.join(name).join("classes.json")).unwrap();
    assert_eq!(classes("plain"), classes("run"));
    for adapter in ["run", "plain"] {
        assert_eq!(json(folder, &["adapter", "check", adapter, "--base", "./bert"])["usable"], true);
    }
}
