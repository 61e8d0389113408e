//! Weights of f64: those that are copied or moved keep every bit, those that are computed become f32.

use crate::common::{json, on, random_lora, read};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::safetensors::Safetensors;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Checkpoint, Dtype, Opened, TensorInfo, Tensors};
use rankine_surgery::{
    Alignment, BlendRecipe, Blending, Compression, Ingredient, Interpolated, Magnitude, Merged, Plan,
    Subject, WriteOptions, merge, plan_rewrite, rewrite,
};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;
use tempfile::TempDir;

/// A model with numbers that f32 does not hold.
fn model(folder: &Path, seed: u64) -> Checkpoint {
    tiny::llama(folder, &TinyLlama { tied: false, ..TinyLlama::default() }, seed);
    let (file, wide) = (folder.join("model.safetensors"), folder.join("wide.safetensors"));
    let plain = Safetensors::open(&file).unwrap();
    let double = |(name, info): (&String, &TensorInfo)| {
        (name.clone(), TensorInfo { dtype: Dtype::F64, bytes: 2 * info.bytes, ..info.clone() })
    };
    let infos: IndexMap<String, TensorInfo> = plain.infos().iter().map(double).collect();
    let writer = TensorsWriter::create(&wide, &infos).unwrap();
    for name in infos.keys() {
        let number = |(at, x): (usize, &f32)| (f64::from(*x) + 1e-12 * (at + 1) as f64).to_le_bytes();
        let bytes: Vec<u8> = read(&plain, name).iter().enumerate().flat_map(number).collect();
        writer.write_raw(name, &bytes).unwrap();
    }
    writer.finish().unwrap();
    drop(plain);
    std::fs::rename(wide, file).unwrap();
    let path = folder.join("config.json");
    let mut config = json(&path);
    for key in ["dtype", "torch_dtype"] {
        config[key] = "float64".into();
    }
    std::fs::write(path, config.to_string()).unwrap();
    Checkpoint::open(folder).unwrap()
}

/// Whether every tensor of `found` is that of `expected` bit for bit, unless it is one of `changed`, which is f32.
fn check(found: &Path, expected: &Checkpoint, changed: &dyn Fn(&str) -> bool) {
    let found = Checkpoint::open(found).unwrap();
    assert_eq!(found.tensors().infos().len(), expected.tensors().infos().len());
    for (name, info) in found.tensors().infos() {
        if changed(name) {
            assert_eq!(info.dtype, Dtype::F32, "{name}");
        } else {
            assert_eq!(info.dtype, Dtype::F64, "{name}");
            let [found, expected] = [&found, expected].map(|model| model.tensors().raw(name).unwrap());
            assert!(found == expected, "{name}");
        }
    }
}

#[test]
fn a_rewritten_model_keeps_every_bit() {
    let root = TempDir::new().unwrap();
    let (model, target) = (model(&root.path().join("model"), 1), root.path().join("out"));
    let subject = Subject::Texts(&model);
    let written = |options: &WriteOptions| -> Plan {
        let planned = plan_rewrite(subject, options).unwrap();
        assert_eq!(rewrite(subject, &target, options, &mut on).unwrap(), planned);
        planned
    };
    let plan = written(&WriteOptions::default());
    assert_eq!(plan.bytes, 8 * plan.parameters);
    check(&target, &model, &|_| false);
    assert_eq!(json(&target.join("config.json"))["dtype"], "float64");
    std::fs::remove_dir_all(&target).unwrap();
    let plan = written(&WriteOptions { dtype: Some(Dtype::F32), ..WriteOptions::default() });
    assert_eq!(plan.bytes, 4 * plan.parameters);
    check(&target, &model, &|_| true);
    assert_eq!(json(&target.join("config.json"))["dtype"], "float32");
}

#[test]
fn what_an_adapter_or_a_compression_leaves_alone_keeps_every_bit() {
    let root = TempDir::new().unwrap();
    let (model, options) = (model(&root.path().join("model"), 1), WriteOptions::default());
    let [merged, pruned] = ["merged", "pruned"].map(|name| root.path().join(name));
    let adapter = random_lora(model.tensors(), &["q_proj"]);
    merge(&model, &adapter, &merged, &options, &mut on).unwrap();
    check(&merged, &model, &|name| name.contains("q_proj"));
    let view = Merged::new(model.tensors(), &adapter).unwrap();
    let (name, found) = ("model.layers.0.self_attn.q_proj.weight", Checkpoint::open(&merged).unwrap());
    assert_close!(read(found.tensors(), name), read(&view, name), absolute = 1e-6);
    let targets = Targets { modules: Selection::Names(vec!["up_proj".to_owned()]), ..Targets::default() };
    let method = &Magnitude { sparsity: 0.5 };
    let compression = Compression { method, targets, dense: false, inputs: None };
    compression.run(Subject::Texts(&model), &pruned, &options, &mut on).unwrap();
    check(&pruned, &model, &|name| name.contains("up_proj"));
}

#[test]
fn ends_of_a_line_keep_every_bit() {
    let root = TempDir::new().unwrap();
    let (first, second) = (model(&root.path().join("first"), 1), model(&root.path().join("second"), 2));
    let subjects = [Subject::Texts(&first), Subject::Texts(&second)];
    let pair = subjects[0].pair(subjects[1]).unwrap();
    for (t, name) in [(0.0, "zero"), (1.0, "one"), (0.5, "half")] {
        let target = root.path().join(name);
        let line = Interpolated::new(pair, t);
        line.write(subjects[0], &target, &WriteOptions::default(), &mut on).unwrap();
        check(&target, if t == 1.0 { &second } else { &first }, &|_| t == 0.5);
    }
    assert_eq!(json(&root.path().join("half/config.json"))["dtype"], "float32");
}

#[test]
fn moved_units_keep_every_bit() {
    let root = TempDir::new().unwrap();
    let (first, second) = (model(&root.path().join("first"), 1), model(&root.path().join("second"), 2));
    let target = root.path().join("out");
    let subjects = [Subject::Texts(&first), Subject::Texts(&second)];
    let options = WriteOptions::default();
    Alignment::default().run(subjects[0], subjects[1], &target, &options, &mut on).unwrap();
    let found = Checkpoint::open(&target).unwrap();
    let mut moved = 0;
    for (name, info) in second.tensors().infos() {
        assert_eq!(found.tensors().infos()[name].dtype, info.dtype, "{name}");
        let [before, after] = [&second, &found].map(|model| {
            let bytes = model.tensors().raw(name).unwrap();
            bytes.as_chunks::<8>().0.to_vec()
        });
        moved += usize::from(before != after);
        let sorted = |mut numbers: Vec<[u8; 8]>| {
            numbers.sort_unstable();
            numbers
        };
        assert!(sorted(before) == sorted(after), "{name}");
    }
    assert!(0 < moved);
}

#[test]
fn a_blend_copies_or_computes() {
    let root = TempDir::new().unwrap();
    let folders = ["a", "b"].map(|name| root.path().join(name));
    let first = model(&folders[0], 1);
    drop(model(&folders[1], 2));
    for (text, narrowed) in [
        ("merge_method: passthrough\nmodels: [{model: a}]\n", false),
        ("merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n", true),
    ] {
        let recipe = BlendRecipe::parse(text, Path::new("merge.yaml")).unwrap();
        let open = |at: usize| Opened::open(&folders[at]).unwrap();
        let opened: Vec<Opened> = (0..recipe.models().len()).map(open).collect();
        let ingredients: Vec<Ingredient> =
            opened.iter().map(|model| Ingredient { subject: Subject::from(model), adapter: None }).collect();
        let blending = Blending::new(&recipe, &ingredients, 0, &mut on).unwrap();
        let target = root.path().join(format!("out{narrowed}"));
        let report = blending.run(&target, &WriteOptions::default(), &mut on).unwrap();
        check(&target, &first, &|_| narrowed);
        let told = report.warnings.iter().any(|warning| warning.contains("tensors of f64 are computed"));
        assert_eq!(told, narrowed, "{:?}", report.warnings);
    }
}
