//! Weights of eight bits: whatever is done with them, they are written in bf16, unless another type is asked for.

use crate::common::{on, random_lora, read};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::safetensors::Safetensors;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Checkpoint, Dtype, Opened, TensorInfo, Tensors};
use rankine_surgery::{
    BlendRecipe, Blending, Compression, Ingredient, Interpolated, Magnitude, Merged, Subject, WriteOptions,
    merge, rewrite,
};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;
use tempfile::TempDir;

const QUERY: &str = "model.layers.0.self_attn.q_proj.weight";

/// A model all of whose numbers are of eight bits, none of them NaN.
fn model(folder: &Path, seed: u8) -> Checkpoint {
    tiny::llama(folder, &TinyLlama::default(), 1);
    let (file, narrow) = (folder.join("model.safetensors"), folder.join("narrow.safetensors"));
    let plain = Safetensors::open(&file).unwrap();
    let of = |(name, info): (&String, &TensorInfo)| {
        (name.clone(), TensorInfo { dtype: Dtype::F8E4M3, bytes: info.bytes / 4, ..info.clone() })
    };
    let infos: IndexMap<String, TensorInfo> = plain.infos().iter().map(of).collect();
    let writer = TensorsWriter::create(&narrow, &infos).unwrap();
    for (name, info) in &infos {
        let code = |at: usize| (at * 37 + usize::from(seed)) as u8 & 0xb7;
        writer.write_raw(name, &(0..info.elements()).map(code).collect::<Vec<u8>>()).unwrap();
    }
    writer.finish().unwrap();
    drop(plain);
    std::fs::rename(narrow, file).unwrap();
    Checkpoint::open(folder).unwrap()
}

/// The written model, all of this type.
fn opened(folder: &Path, dtype: Dtype) -> Checkpoint {
    let found = Checkpoint::open(folder).unwrap();
    for (name, info) in found.tensors().infos() {
        assert_eq!(info.dtype, dtype, "{}: {name}", folder.display());
    }
    found
}

#[test]
fn what_is_copied_and_what_is_computed_of_them_is_bf16() {
    let root = TempDir::new().unwrap();
    let place = |name: &str| root.path().join(name);
    let (first, second) = (model(&place("a"), 1), model(&place("b"), 2));
    let (subject, options) = (Subject::Texts(&first), WriteOptions::default());
    rewrite(subject, &place("rewritten"), &options, &mut on).unwrap();
    let rewritten = opened(&place("rewritten"), Dtype::Bf16);
    for name in first.tensors().infos().keys() {
        assert_eq!(read(rewritten.tensors(), name), read(first.tensors(), name), "{name}");
    }
    let adapter = random_lora(first.tensors(), &["q_proj"]);
    merge(&first, &adapter, &place("merged"), &options, &mut on).unwrap();
    let merged = opened(&place("merged"), Dtype::Bf16);
    let view = Merged::new(first.tensors(), &adapter).unwrap();
    assert_close!(read(merged.tensors(), QUERY), read(&view, QUERY), relative = 0.004);
    let line = Interpolated::new(subject.pair(Subject::Texts(&second)).unwrap(), 0.5);
    line.write(subject, &place("middle"), &options, &mut on).unwrap();
    drop(opened(&place("middle"), Dtype::Bf16));
    let targets = Targets { modules: Selection::Names(vec!["up_proj".to_owned()]), ..Targets::default() };
    let method = &Magnitude { sparsity: 0.5 };
    let compression = Compression { method, targets, dense: false, inputs: None };
    compression.run(subject, &place("pruned"), &options, &mut on).unwrap();
    drop(opened(&place("pruned"), Dtype::Bf16));
    // Another type where one is asked for.
    let wide = WriteOptions { dtype: Some(Dtype::F32), ..WriteOptions::default() };
    merge(&first, &adapter, &place("wide"), &wide, &mut on).unwrap();
    drop(opened(&place("wide"), Dtype::F32));
}

#[test]
fn in_a_blend_they_are_as_good_as_bf16() {
    let root = TempDir::new().unwrap();
    let place = |name: &str| root.path().join(name);
    let first = model(&place("a"), 1);
    drop(model(&place("b"), 2));
    rewrite(Subject::Texts(&first), &place("half"), &WriteOptions::default(), &mut on).unwrap();
    tiny::llama(&place("full"), &TinyLlama::default(), 1);
    let cases = [
        ("passthrough", ["a", ""], Dtype::Bf16),
        ("linear", ["a", "b"], Dtype::Bf16),
        ("linear", ["a", "half"], Dtype::Bf16),
        ("linear", ["half", "a"], Dtype::Bf16),
        ("linear", ["a", "full"], Dtype::F32),
    ];
    for (number, (method, names, dtype)) in cases.into_iter().enumerate() {
        let names = names.into_iter().filter(|name| !name.is_empty());
        let models: Vec<String> = names.map(|name| format!("{{model: {name}}}")).collect();
        let weight = if method == "linear" { "parameters: {weight: 0.5}\n" } else { "" };
        let text = format!("merge_method: {method}\nmodels: [{}]\n{weight}", models.join(", "));
        let recipe = BlendRecipe::parse(&text, Path::new("merge.yaml")).unwrap();
        let opening = recipe.models().iter().map(|model| Opened::open(place(&model.model)).unwrap());
        let models: Vec<Opened> = opening.collect();
        let ingredients: Vec<Ingredient> =
            models.iter().map(|model| Ingredient { subject: Subject::from(model), adapter: None }).collect();
        let blending = Blending::new(&recipe, &ingredients, 0, &mut on).unwrap();
        let target = place(&format!("out{number}"));
        blending.run(&target, &WriteOptions::default(), &mut on).unwrap();
        let blended = opened(&target, dtype);
        // A model and itself.
        if [0, 2, 3].contains(&number) {
            assert_eq!(read(blended.tensors(), QUERY), read(first.tensors(), QUERY), "{text}");
        }
    }
}
