//! Models in other files: there and back, in shards, out of torch's.

use crate::common::{base, names, on, read};
use crate::quantize::{said, written};
use rankine_checkpoint::{Checkpoint, Dtype, Opened, Tensors};
use rankine_surgery::{Subject, Types, WriteOptions, plan_rewrite, rewrite};
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
