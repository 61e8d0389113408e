//! Folders and tensors that fit the base, and those that do not.

use super::*;
use crate::Error;
use serde_json::json;
use tempfile::TempDir;

#[test]
fn everything_that_does_not_fit_is_listed_at_once() {
    let Fixture { mut adapter, mut base, .. } = fixture("plain");
    base.0.shift_remove("model.layers.0.self_attn.q_proj.weight");
    base.0["model.layers.1.self_attn.q_proj.weight"].shape = vec![4, 8];
    adapter.low_rank.shift_remove("model.layers.0.mlp.down_proj");
    let error = adapter.check(&base).unwrap_err();
    let Error::Adapter { fault: Fault::Mismatch(mismatch), .. } = &error else { panic!("{error}") };
    let key = |module: &str, factor: &str| format!("base_model.model.model.layers.{module}.{factor}.weight");
    assert_eq!(mismatch.missing, ["lora_A", "lora_B"].map(|factor| key("0.mlp.down_proj", factor)));
    assert_eq!(mismatch.unexpected, ["lora_A", "lora_B"].map(|factor| key("0.self_attn.q_proj", factor)));
    let misshapen =
        Misshapen { key: key("1.self_attn.q_proj", "lora_A"), expected: vec![2, 8], found: vec![2, 4] };
    assert_eq!(mismatch.misshapen, [misshapen]);
    let message = error.to_string();
    assert!(message.contains("2 missing, 2 unexpected, 1 misshapen"), "{message}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("_proj` is nearest to `model.layers.0.self_attn.q_proj`"), "{hint}");
}

/// An adapter folder of this configuration and these tensors of zeros.
fn folder_of(config: &Value, tensors: &[(&str, &[usize])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: crate::Dtype::F32, bytes: 0 };
    let infos: IndexMap<_, _> = tensors.iter().map(|(key, shape)| (key.to_string(), info(shape))).collect();
    let path = folder.path().join("adapter_model.safetensors");
    let writer = crate::writer::TensorsWriter::create(&path, &infos).unwrap();
    for (key, info) in &infos {
        writer.write(key, &vec![0.5; info.elements()]).unwrap();
    }
    writer.finish().unwrap();
    folder
}

const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj";

fn checked(config: &Value, tensors: &[(&str, &[usize])]) -> Result<Adapter> {
    let base = Shapes::new(&json!({
        "model.embed_tokens.weight": [6, 4],
        "model.layers.0.self_attn.q_proj.weight": [4, 4],
    }));
    let folder = folder_of(config, tensors);
    let adapter = Adapter::open(folder.path())?;
    adapter.check(&base).map(|()| adapter)
}

#[test]
fn four_keys_are_a_configuration_and_the_adapter_name_may_be_left_in() {
    let config = json!({ "peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_modules": ["q_proj"] });
    let (a, b) = (format!("{Q}.lora_A.default.weight"), format!("{Q}.lora_B.default.weight"));
    let adapter = checked(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]).unwrap();
    assert_eq!(adapter.low_rank["model.layers.0.self_attn.q_proj"].scaling, 1.5);
}

#[test]
fn broken_sets_of_tensors_are_refused() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let dora = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "use_dora": true });
    let (a, b) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
    let (m, diag) = (format!("{Q}.lora_magnitude_vector"), format!("{Q}.lora_diag"));
    let twice = format!("{Q}.lora_A.default.weight");
    let pair: [(&str, &[usize]); 2] = [(&a, &[2, 4]), (&b, &[4, 2])];
    type Case<'a> = (&'a Value, Vec<(&'a str, &'a [usize])>, [usize; 3]);
    let cases: [Case; 11] = [
        (&config, vec![], [2, 0, 0]),
        (&config, vec![(&a, &[2, 4])], [1, 0, 0]),
        (&config, vec![(&a, &[3, 4]), (&b, &[4, 3])], [0, 0, 2]),
        (&config, vec![(&a, &[2, 5]), (&b, &[4, 2])], [0, 0, 1]),
        (&config, vec![(&a, &[2]), (&b, &[])], [0, 0, 2]),
        (&config, vec![(&a, &[2, 4, 1, 1]), (&b, &[4, 2])], [0, 0, 1]),
        (&config, vec![pair[0], pair[1], (&diag, &[2])], [0, 1, 0]),
        (&config, vec![pair[0], pair[1], (&twice, &[2, 4])], [0, 1, 0]),
        (&dora, pair.to_vec(), [1, 0, 0]),
        (&dora, vec![pair[0], pair[1], (&m, &[5])], [0, 0, 1]),
        (&dora, vec![(&a, &[3, 4]), pair[1], (&m, &[5])], [0, 0, 2]),
    ];
    for (config, tensors, counts) in cases {
        let error = checked(config, &tensors).unwrap_err();
        let Error::Adapter { fault: Fault::Mismatch(found), .. } = &error else { panic!("{error}") };
        let found = [found.missing.len(), found.unexpected.len(), found.misshapen.len()];
        assert_eq!(found, counts, "{tensors:?}: {error}");
    }
    assert!(checked(&dora, &[pair[0], pair[1], (&m, &[4])]).is_ok());
}

#[test]
fn folders_without_an_adapter_say_what_is_missing() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/adapter_config.json"), r#"{"peft_type": "LORA"}"#).unwrap();
    let error = Adapter::open(folder.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("`mine`"), "{error}");
    let error = Adapter::open(&folder.path().join("mine")).unwrap_err();
    assert!(matches!(error, Error::Adapter { fault: Fault::NoWeights, .. }));
}

#[test]
fn a_file_is_no_folder_of_an_adapter() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("adapter_model.safetensors");
    std::fs::write(&file, "").unwrap();
    let error = Adapter::open(&file).unwrap_err();
    assert!(matches!(error, Error::Adapter { fault: Fault::File, .. }), "{error}");
    assert!(error.hint().unwrap().contains("folder"));
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_key() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let (a, b) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
    for value in [f32::NAN, f32::INFINITY] {
        let folder = folder_of(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]);
        let path = folder.path().join("adapter_model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let error = Adapter::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(&b) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn what_only_the_gradient_needs_is_passed_over() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "velora_config": { "scale": 1.0 } });
    let keys = ["lora_A.weight", "lora_B.weight", "lora_velora_embed"].map(|part| format!("{Q}.{part}"));
    let adapter = checked(&config, &[(&keys[0], &[2, 4]), (&keys[1], &[4, 2]), (&keys[2], &[1])]).unwrap();
    assert_eq!(adapter.low_rank.len(), 1);
}

#[test]
fn keys_without_their_prefix_are_named() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let [a, b] =
        ["lora_A.weight", "lora_B.weight"].map(|part| format!("model.layers.0.self_attn.q_proj.{part}"));
    let error = checked(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]).unwrap_err();
    assert!(error.hint().unwrap().contains("prefix `base_model.model.`"), "{:?}", error.hint());
    let keys = ["lora_A.weight", "lora_B.weight", "lora_diag"].map(|part| format!("{Q}.{part}"));
    let error = checked(&config, &[(&keys[0], &[2, 4]), (&keys[1], &[4, 2]), (&keys[2], &[2])]).unwrap_err();
    assert!(error.hint().unwrap().contains("another base model"), "{:?}", error.hint());
}
