//! Models in other files: there and back, in shards, out of torch's.

use crate::common::{base, json, names, on, read};
use crate::quantize::{said, written};
use rankine_checkpoint::{Checkpoint, Dtype, Opened, Tensors, open_tensors};
use rankine_surgery::{
    PermutationSpec, Subject, Types, UnitKind, WriteOptions, plan_rewrite, rewrite, rewrite_as_modules,
};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use std::path::Path;
use tempfile::TempDir;

#[test]
fn weights_come_back_from_a_file_bit_for_bit() {
    for (model, dtype) in [("llama_untied", Dtype::F32), ("qwen3", Dtype::F32), ("llama_bf16", Dtype::Bf16)] {
        let (model, root) = (base(model), TempDir::new().unwrap());
        let [file, there, back] = ["model.gguf", "there", "back"].map(|name| root.path().join(name));
        written(&model, Types::Kept, &file);
        let options = WriteOptions { dtype: Some(dtype), ..WriteOptions::default() };
        rewrite(Subject::Texts(&model), &there, &options, &mut on).unwrap();
        let opened = Checkpoint::open(&file).unwrap();
        rewrite(Subject::Texts(&opened), &back, &options, &mut on).unwrap();
        let [there, back] =
            [there, back].map(|folder| std::fs::read(folder.join("model.safetensors")).unwrap());
        assert!(there == back);
        let reread = Checkpoint::open(root.path().join("back")).unwrap();
        assert_eq!(said(reread.config()), said(model.config()));
    }
}

#[test]
fn a_model_is_rewritten_in_another_type_and_in_shards() {
    let root = TempDir::new().unwrap();
    tiny::llama(&root.path().join("model"), &TinyLlama { dtype: TinyType::F16, ..TinyLlama::default() }, 3);
    let model = Checkpoint::open(root.path().join("model")).unwrap();
    let options = WriteOptions { dtype: Some(Dtype::F32), shard_bytes: 20_000, ..WriteOptions::default() };
    let target = root.path().join("shards");
    let plan = plan_rewrite(Subject::Texts(&model), &options).unwrap();
    assert_eq!(rewrite(Subject::Texts(&model), &target, &options, &mut on).unwrap(), plan);
    assert!(3 < plan.files.len());
    let found = Checkpoint::open(&target).unwrap();
    assert_eq!((found.config().dtype, found.has_tokenizer()), (Some(Dtype::F32), true));
    for name in model.tensors().infos().keys() {
        assert_eq!(found.read(name).unwrap(), model.read(name).unwrap(), "{name}");
    }
}

#[test]
fn weights_of_torch_without_a_configuration_become_safetensors() {
    let root = TempDir::new().unwrap();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoint/tests/fixtures/pickle/tensors_zip.pth");
    let opened = Opened::open(&path).unwrap();
    let target = root.path().join("weights");
    rewrite(Subject::from(&opened), &target, &WriteOptions::default(), &mut on).unwrap();
    assert_eq!(names(&target), ["model.safetensors"]);
    let Opened::Bare(found) = Opened::open(&target).unwrap() else { panic!("no configuration was written") };
    let read_all = |bare: &dyn Tensors| -> Vec<(String, Vec<f32>)> {
        let mut all: Vec<_> = bare.infos().keys().map(|name| (name.clone(), read(bare, name))).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    };
    assert_eq!(read_all(found.tensors()), read_all(opened.tensors()));
}

#[test]
fn a_vision_transformer_gets_the_names_of_either_version() {
    let root = TempDir::new().unwrap();
    let [old, new, back] = ["old", "new", "back"].map(|name| root.path().join(name));
    let model = Opened::open(fixtures::path("images/vit")).unwrap();
    let options = WriteOptions::default();
    let plan = plan_rewrite(Subject::from(&model), &options).unwrap();
    assert_eq!(rewrite(Subject::from(&model), &old, &options, &mut on).unwrap(), plan);
    assert_eq!(rewrite_as_modules(Subject::from(&model), &new, &options, &mut on).unwrap(), plan);
    let expected = fixtures::json("vit_names.json");
    for (folder, version) in [(&old, "files"), (&new, "modules")] {
        let tensors = open_tensors(folder).unwrap();
        let mut names: Vec<String> = tensors.infos().keys().cloned().collect();
        names.sort();
        assert_eq!(names, fixtures::strings(&expected["classifier"][version]), "{version}");
        let [config, own] = [folder.join("config.json"), fixtures::path("images/vit/config.json")];
        assert_eq!(json(&config)["model_type"], json(&own)["model_type"]);
    }
    // Opened, it is the same model.
    let opened = Opened::open(&new).unwrap();
    assert!(matches!(opened, Opened::Images(_)));
    rewrite(Subject::from(&opened), &back, &options, &mut on).unwrap();
    let [old, back] = [old, back].map(|folder| std::fs::read(folder.join("model.safetensors")).unwrap());
    assert!(old == back);
}

#[test]
fn what_is_not_known_keeps_its_names_and_its_configuration() {
    let root = TempDir::new().unwrap();
    let [source, target] = ["source", "target"].map(|name| root.path().join(name));
    std::fs::create_dir(&source).unwrap();
    std::fs::copy(fixtures::path("images/resnet/model.safetensors"), source.join("model.safetensors"))
        .unwrap();
    let config = r#"{"model_type": "resnet", "torch_dtype": "float32", "depths": [2, 1, 1]}"#;
    std::fs::write(source.join("config.json"), config).unwrap();
    std::fs::write(source.join("preprocessor_config.json"), "{}").unwrap();
    let model = Opened::open(&source).unwrap();
    let options = WriteOptions { dtype: Some(Dtype::F16), ..WriteOptions::default() };
    rewrite(Subject::from(&model), &target, &options, &mut on).unwrap();
    assert_eq!(names(&target), ["config.json", "model.safetensors", "preprocessor_config.json"]);
    let config = json(&target.join("config.json"));
    assert_eq!((&config["torch_dtype"], &config["depths"][0]), (&"float16".into(), &2.into()));
    let written = open_tensors(&target).unwrap();
    assert!(written.infos().keys().eq(model.tensors().infos().keys()));
    // Its shapes may be those of a chain of layers, and it is none.
    let error = PermutationSpec::of(Subject::from(&model), &UnitKind::ALL).unwrap_err();
    assert!(error.to_string().contains("`resnet`") && error.hint().is_some(), "{error}");
}
