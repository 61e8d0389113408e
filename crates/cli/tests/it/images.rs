//! The commands end to end on a tiny vision transformer.

use crate::common::{run, words};
use rankine_testkit::{fixtures, tiny};
use serde_json::Value;
use std::path::Path;

fn done(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments);
    let said = words(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    (words(&output.stdout), said)
}

#[test]
fn an_image_classifier_is_trained_evaluated_and_merged() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    std::fs::create_dir(folder.join("vit")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = fixtures::path("images/vit").join(file);
        std::fs::copy(from, folder.join("vit").join(file)).unwrap();
    }
    tiny::idx_images(folder, 24, 12, 2);
    let data = ["--data", "train-images-idx3-ubyte"];
    let how = ["--method", "lora", "--rank", "2", "--target", ".*query|.*projection", "--steps", "3"];
    let (_, said) = done(
        folder,
        &[&["train", "./vit", "--output", "run"][..], &data, &how, &["--set", "data.validation=0.25"]]
            .concat(),
    );
    assert!(said.contains("18 images to learn from, 6 held out; 2 classes"), "{said}");
    assert!(said.contains("images/s") && said.contains("rankine evaluate"), "{said}");
    let (checked, _) = done(folder, &["adapter", "check", "run", "--base", "./vit"]);
    assert!(checked.contains("fits the base") && checked.contains("transformers 5"), "{checked}");
    let refused = run(folder, &["adapter", "export", "run", "--base", "./vit", "--gguf", "run.gguf"]);
    let why = words(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{why}");
    assert!(why.contains("beside a language model") && why.contains("`rankine merge`"), "{why}");
    let measured = |model: &str, more: &[&str]| -> Value {
        let (found, _) = done(folder, &[&["evaluate", model, "--json"][..], &data, more].concat());
        serde_json::from_str(&found).unwrap()
    };
    let adapted = measured("./vit", &["--adapter", "run"]);
    assert_eq!(adapted["examples"].as_array().unwrap().len(), 24);
    assert_eq!((&adapted["examples"][1]["label"], &adapted["classes"][1]), (&"1".into(), &"1".into()));
    assert_eq!(adapted["examples"][1]["image"], 1);
    let (report, _) = done(folder, &["merge", "./vit", "run", "--output", "merged", "--verify"]);
    assert!(report.contains("the same model"), "{report}");
    let nll = |value: &Value| value["nll"].as_f64().unwrap();
    assert!((nll(&measured("./merged", &[])) - nll(&adapted)).abs() < 1e-5);
    let (made, _) = done(folder, &["adapter", "convert", "run", "--base", "./vit", "--output", "plain"]);
    assert!(made.contains("`modules_to_save`: classifier"), "{made}");
    let sum = ["adapter", "combine", "run", "plain", "--weights", "0.5,0.5", "--base", "./vit"];
    done(folder, &[&sum[..], &["--output", "sum"]].concat());
    for same in ["plain", "sum"] {
        assert!((nll(&measured("./vit", &["--adapter", same])) - nll(&adapted)).abs() < 1e-5, "{same}");
    }
    let init = ["init", "./vit", "--method", "eva", "--rank", "2", "--output", "start", "--json"];
    let (started, _) = done(folder, &[&init[..], &data].concat());
    let started: Value = serde_json::from_str(&started).unwrap();
    assert_eq!((&started["classes"][1], &started["residual"]), (&"1".into(), &Value::Null));
    assert_eq!(measured("./vit", &["--adapter", "start"])["classes"][1], "1");
    done(folder, &["compress", "./vit", "--method", "magnitude", "--sparsity", "0.5", "--output", "pruned"]);
    done(folder, &["extract", "./vit", "./pruned", "--rank", "1", "--output", "taken"]);
    let config = std::fs::read_to_string(folder.join("taken/adapter_config.json")).unwrap();
    assert!(config.contains("vit.layers.0.attention.q_proj") && !config.contains("encoder"), "{config}");
    done(folder, &["merge", "./vit", "taken", "--output", "again"]);
    let (planned, _) = done(folder, &["merge", "./vit", "run", "--output", "other", "--dry-run"]);
    assert!(planned.contains("model.safetensors") && !folder.join("other").exists(), "{planned}");
}
