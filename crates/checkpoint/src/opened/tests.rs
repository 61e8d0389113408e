use super::*;
use crate::config::Fault;
use rankine_testkit::fixtures;
use serde_json::json;

#[test]
fn every_kind_of_model_opens_as_what_it_is() {
    let open = |name: &str| Opened::open(fixtures::path(name)).unwrap();
    assert!(matches!(open("models/llama_tied"), Opened::Texts(_)));
    assert!(matches!(open("images/vit"), Opened::Images(_)));
    let folder = tempfile::TempDir::new().unwrap();
    let file = fixtures::path("models/llama_tied/model.safetensors");
    std::fs::copy(&file, folder.path().join("model.safetensors")).unwrap();
    for place in [folder.path().to_owned(), folder.path().join("model.safetensors")] {
        let opened = Opened::open(&place).unwrap();
        assert!(matches!(opened, Opened::Bare(_)));
        assert_eq!((opened.path(), opened.tensors().infos().is_empty()), (place.as_path(), false));
    }
}

#[test]
fn adapters_are_told_from_folders_without_a_model() {
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    let error = Opened::open(folder.path()).err().unwrap();
    assert!(matches!(error, Error::IsAdapter { .. }), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("rankine adapter check") && hint.contains("rankine diff BASE --adapter"), "{hint}");
}

/// Whoever only looks can pass over what a configuration says.
#[test]
fn packed_weights_open_bare() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut config = fixtures::json("models/llama_tied/config.json");
    config["quantization_config"] = serde_json::json!({ "quant_method": "fp8" });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let file = fixtures::path("float8/model.safetensors");
    std::fs::copy(&file, folder.path().join("model.safetensors")).unwrap();
    assert!(matches!(Opened::open(folder.path()), Err(Error::Config { .. })));
    let bare = Opened::bare(folder.path()).unwrap();
    assert_eq!((bare.path(), bare.tensors().infos().len()), (folder.path(), 8));
}

/// What nobody runs can be looked at; what it is said to be goes along.
#[test]
fn what_is_not_known_opens_bare_with_its_configuration() {
    let folder = tempfile::TempDir::new().unwrap();
    let put = |config: &Value| std::fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
    let resnet = json!({ "model_type": "resnet", "depths": [1], "dtype": "float32" });
    put(&resnet);
    let error = Opened::open(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Config { fault: Fault::Architecture { .. }, .. }), "{error}");
    let hint = error.hint().unwrap();
    for part in ["llama, mistral", "classifiers, bert", "vit, mlp", "ResNets", "`rankine inspect`"] {
        assert!(hint.contains(part), "{part}: {hint}");
    }
    let file = fixtures::path("images/resnet/model.safetensors");
    std::fs::copy(&file, folder.path().join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("preprocessor_config.json"), "{}").unwrap();
    let opened = Opened::open(folder.path()).unwrap();
    let note = opened.note().unwrap();
    assert!(note.contains("architecture `resnet` is not supported"), "{note}");
    let Opened::Bare(bare) = opened else { panic!("nobody knows it") };
    assert_eq!((bare.architecture(), bare.companions().len()), (Some("resnet"), 1));
    assert!(matches!(bare.check_plain(), Err(Error::Foreign { .. })));
    assert_eq!(bare.describe(None), [(CONFIG, resnet)]);
    assert_eq!(bare.describe(Some(Dtype::F16))[0].1["dtype"], "float16");
    // A variant of what is known, too; a file with a wrong value is at fault.
    let llama = fixtures::json("models/llama_tied/config.json");
    let with = |key: &str, value: Value| {
        let mut config = llama.clone();
        config[key] = value;
        put(&config);
        Opened::open(folder.path())
    };
    let rope = with("rope_parameters", json!({ "rope_theta": 10000.0, "rope_type": "yarn", "factor": 2.0 }))
        .unwrap();
    assert!(rope.note().unwrap().contains("`yarn`"));
    let broken = with("num_attention_heads", json!("four")).err().unwrap();
    assert!(matches!(broken, Error::Config { .. }), "{broken}");
    // A file alone says nothing of itself.
    let alone = Opened::open(&file).unwrap();
    assert!(alone.note().is_none());
}

#[test]
fn weights_of_a_plain_network_are_told_what_they_lack() {
    for (name, part) in [("images/mlp/model.pth", "\"mlp\""), ("images/lenet/model.safetensors", "\"lenet\"")]
    {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join(name.rsplit_once('/').unwrap().1);
        std::fs::copy(fixtures::path(name), &file).unwrap();
        let error = Checkpoint::open(&file).unwrap_err();
        assert!(matches!(error, Error::Undescribed { example: Some(_), .. }), "{error}");
        let (hint, place) = (error.hint().unwrap(), folder.path().join(CONFIG));
        assert!(hint.contains(part) && hint.contains(&place.display().to_string()), "{hint}");
        assert!(matches!(Opened::open(&file), Ok(Opened::Bare(_))));
        let (_, example) = hint.split_once("such as ").unwrap();
        std::fs::write(&place, example).unwrap();
        assert!(matches!(Opened::open(&file), Ok(Opened::Images(_))));
    }
    let error = Checkpoint::open(fixtures::path("float8/model.safetensors")).unwrap_err();
    assert!(matches!(error, Error::Undescribed { example: None, .. }), "{error}");
}

#[test]
fn what_holds_no_weights_is_refused_as_no_model() {
    let empty = tempfile::TempDir::new().unwrap();
    let error = Opened::open(empty.path()).err().unwrap();
    assert!(matches!(error, Error::NoModel { .. }), "{error}");
    assert!(Opened::open(empty.path().join("nothing")).is_err());
}
