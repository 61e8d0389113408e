//! Models as GGUF files: against llama.cpp's converter, in many types, and what is refused.

use crate::common::{base, names, on, random_lora, read};
use rankine_checkpoint::gguf::{Gguf, Value};
use rankine_checkpoint::{Checkpoint, Config, Dtype, Existing, Tensors};
use rankine_kernels::dequantize::Format;
use rankine_surgery::{
    Error, GgufReport, GgufSource, GgufTarget, Progress, Quantization, Stage, Subject, Types, WriteOptions,
    merge_gguf, rewrite,
};
use rankine_testkit::tiny::{self, TinyLlama};
use rankine_testkit::{assert_close, fixtures};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Ten storage types, by python's `gguf`.
pub fn many_types() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoint/tests/fixtures/gguf/tiny-llama.gguf")
}

fn plainly(types: Types) -> Quantization {
    Quantization { types, output: None, embedding: None }
}

pub fn to(target: &Path) -> GgufTarget<'_> {
    GgufTarget { target, existing: Existing::Refuse, inputs: Vec::new() }
}

pub fn written(model: &Checkpoint, types: Types, target: &Path) -> GgufReport {
    let source = GgufSource::Model(model, None);
    let planned = plainly(types).plan(&source).unwrap();
    let report = plainly(types).run(&source, &to(target), &mut on).unwrap();
    let kinds = |report: &GgufReport| -> Vec<_> {
        report.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.to, tensor.bytes)).collect()
    };
    assert_eq!(kinds(&planned), kinds(&report));
    assert!(planned.relative.is_none() && planned.bytes() == report.bytes());
    report
}

/// ‖x − y‖ / ‖x‖.
pub fn relative(x: &[f32], y: &[f32]) -> f64 {
    let squares = |off: f32| f64::from(off) * f64::from(off);
    let off: f64 = x.iter().zip(y).map(|(x, y)| squares(x - y)).sum();
    (off / x.iter().map(|&x| squares(x)).sum::<f64>()).sqrt()
}

/// What a file without a tokenizer can say of a model.
pub fn said(config: &Config) -> Config {
    let config = config.clone();
    Config { bos: None, eos: Vec::new(), padding: None, dtype: None, raw: serde_json::Value::Null, ..config }
}

#[test]
fn models_are_those_of_the_converter_of_llama_cpp() {
    let recorded: serde_json::Value = serde_json::from_str(include_str!("../fixtures/models.json")).unwrap();
    for (name, expected) in recorded["models"].as_object().unwrap() {
        let (model, root) = (base(name), TempDir::new().unwrap());
        let target = root.path().join("model.gguf");
        written(&model, Types::One(Dtype::F32), &target);
        let found = Gguf::open(&target).unwrap();
        for (key, expected) in expected["keys"].as_object().unwrap() {
            match found.metadata().get(key) {
                Some(Value::String(text)) => assert_eq!(expected, text, "{name}: {key}"),
                Some(Value::U32(count)) => assert_eq!(expected, count, "{name}: {key}"),
                Some(Value::F32(number)) => {
                    assert_eq!(fixtures::floats(&serde_json::json!([expected])), [*number], "{name}: {key}")
                }
                other => panic!("{name}: {key}: {other:?}"),
            }
        }
        let tensors = expected["tensors"].as_object().unwrap();
        assert_eq!(found.stored_tensors().count(), tensors.len(), "{name}");
        for (tensor, info, bytes) in found.stored_tensors() {
            let expected = &tensors[tensor];
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!((&info.shape, info.dtype), (&shape, Dtype::F32), "{name}: {tensor}");
            let numbers: Vec<f32> =
                bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let at: Vec<usize> = serde_json::from_value(expected["at"].clone()).unwrap();
            let at: Vec<f32> = at.iter().map(|&at| numbers[at]).collect();
            // The factors of Llama 3 are computed, everything else is copied.
            let relative = if tensor.starts_with("rope") { 1e-5 } else { 0.0 };
            let expected = fixtures::floats(&expected["numbers"]);
            assert_close!(at, expected, relative = relative, "{name}: {tensor}");
        }
        let opened = Checkpoint::open(&target).unwrap();
        assert_eq!(said(opened.config()), said(model.config()), "{name}");
    }
}

#[test]
fn every_type_is_as_near_as_told() {
    let root = TempDir::new().unwrap();
    let sizes = TinyLlama { hidden: 256, inner: 256, head_dim: 64, layers: 1, ..TinyLlama::default() };
    tiny::llama(&root.path().join("model"), &TinyLlama { tied: false, biases: true, ..sizes }, 3);
    let model = Checkpoint::open(root.path().join("model")).unwrap();
    let cases = [
        (Types::One(Dtype::F32), 0.0),
        (Types::One(Dtype::F16), 5e-4),
        (Types::One(Dtype::Bf16), 4e-3),
        (Types::One(Dtype::Quantized(Format::Q8_0)), 0.01),
        (Types::One(Dtype::Quantized(Format::Q5_1)), 0.05),
        (Types::One(Dtype::Quantized(Format::Q2K)), 0.35),
        (Types::Q4Medium, 0.08),
    ];
    let mut bits = f64::INFINITY;
    for (at, (types, most)) in cases.into_iter().enumerate() {
        let target = root.path().join(format!("{at}.gguf"));
        let report = written(&model, types, &target);
        let opened = Checkpoint::open(&target).unwrap();
        let gguf = opened.gguf().unwrap();
        for tensor in &report.tensors {
            let outside = gguf.name_of(&tensor.name);
            let (given, found) = (model.read(&outside).unwrap(), opened.read(&outside).unwrap());
            assert_eq!(gguf.infos()[&outside].dtype, tensor.to);
            let off = relative(&given, &found);
            assert_close!([tensor.relative.unwrap()], [off], relative = 1e-5, absolute = 1e-12, "{outside}");
            assert!(off <= most, "{types:?} {outside}: {off}");
            if tensor.shape.len() < 2 {
                assert_eq!(tensor.to, Dtype::F32);
            }
        }
        assert!(report.relative.unwrap() <= most);
        if types != Types::One(Dtype::Bf16) && types != Types::Q4Medium {
            assert!(report.bits() < bits, "{types:?}");
            bits = report.bits();
        }
    }
    // Rows of 32 do not divide into blocks of 256.
    tiny::llama(&root.path().join("narrow"), &TinyLlama::default(), 3);
    let narrow = Checkpoint::open(root.path().join("narrow")).unwrap();
    let q4_k = Dtype::Quantized(Format::Q4K);
    let report = written(&narrow, Types::One(q4_k), &root.path().join("narrow.gguf"));
    let query = report.tensors.iter().find(|tensor| tensor.name == "blk.0.attn_q.weight").unwrap();
    assert_eq!((query.to, query.instead_of), (Dtype::Quantized(Format::Q5_0), Some(q4_k)));
}

#[test]
fn a_file_whose_types_stay_is_the_file() {
    let root = TempDir::new().unwrap();
    let gguf = Gguf::open(many_types()).unwrap();
    let target = root.path().join("same.gguf");
    let report = plainly(Types::Kept).run(&GgufSource::File(&gguf), &to(&target), &mut on).unwrap();
    assert!(std::fs::read(&target).unwrap() == std::fs::read(many_types()).unwrap());
    assert!(report.relative.is_none() && report.tensors.iter().all(|tensor| tensor.relative.is_none()));
    assert_eq!(report.bytes(), report.before());
}

#[test]
fn of_a_file_only_the_types_of_matrices_change() {
    let root = TempDir::new().unwrap();
    let gguf = Gguf::open(many_types()).unwrap();
    let target = root.path().join("q8_0.gguf");
    let q8_0 = Dtype::Quantized(Format::Q8_0);
    let quantization = plainly(Types::One(q8_0));
    let (mut told, mut last) = (Vec::new(), (0, 1));
    let watch = &mut |progress: Progress| {
        told.push(progress.stage);
        last = (progress.done, progress.total);
        ControlFlow::Continue(())
    };
    let report = quantization.run(&GgufSource::File(&gguf), &to(&target), watch).unwrap();
    assert!(told.iter().all(|stage| *stage == Stage::Writing) && last == (report.bytes(), report.bytes()));
    let found = Gguf::open(&target).unwrap();
    assert!(found.infos().keys().eq(gguf.infos().keys()));
    let given = gguf.metadata().0.iter();
    assert!(given.zip(&found.metadata().0).all(|(given, found)| given == found));
    assert_eq!(found.metadata().get("general.file_type"), Some(&Value::U32(7)));
    for ((name, before, bytes), (_, after, now)) in gguf.stored_tensors().zip(found.stored_tensors()) {
        assert_eq!(before.shape, after.shape, "{name}");
        if before.shape.len() < 2 || before.dtype == q8_0 {
            assert!(bytes == now && before.dtype == after.dtype, "{name}");
        } else {
            assert_eq!(after.dtype, q8_0, "{name}");
            let outside = gguf.name_of(name);
            assert!(relative(&read(&gguf, &outside), &read(&found, &outside)) < 0.02, "{name}");
        }
    }
}

#[track_caller]
fn refused(root: &TempDir, error: Error, says: &str) {
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.hint().is_some() && !names(root.path()).iter().any(|name| name.ends_with(".gguf")));
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("model.gguf");
    let q8_0 = plainly(Types::One(Dtype::Quantized(Format::Q8_0)));
    let run = |model: &Checkpoint, target: &Path| {
        q8_0.run(&GgufSource::Model(model, None), &to(target), &mut on).unwrap_err()
    };
    refused(&root, run(&base("qwen2_window"), &target), "windows of some layers only");
    let folder = root.path().join("model");
    tiny::llama(&folder, &TinyLlama::default(), 3);
    let model = Checkpoint::open(&folder).unwrap();
    refused(&root, run(&model, &folder.join("inside.gguf")), "lies inside");
    let error =
        rewrite(Subject::Texts(&model), &folder.join("x"), &WriteOptions::default(), &mut on).unwrap_err();
    assert!(matches!(error, Error::OutputInInput { .. }), "{error}");
    let error =
        merge_gguf(&model, &random_lora(model.tensors(), &["q_proj"]), &to(&target), &mut on).unwrap_err();
    refused(&root, error, "no GGUF file");
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let error = q8_0.run(&GgufSource::Model(&model, None), &to(&target), stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted) && names(root.path()) == ["model"]);
    drop(model);
    let path = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 8 * 4;
    bytes[half..].chunks_exact_mut(4).for_each(|number| number.copy_from_slice(&f32::NAN.to_le_bytes()));
    std::fs::write(&path, bytes).unwrap();
    refused(&root, run(&Checkpoint::open(&folder).unwrap(), &target), "Q8_0 does not hold");
}

#[test]
fn only_files_that_are_not_read_are_replaced() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("model.gguf");
    std::fs::copy(many_types(), &path).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    let run = |target: &Path, existing| {
        let to = GgufTarget { target, existing, inputs: Vec::new() };
        plainly(Types::Kept).run(&GgufSource::File(&gguf), &to, &mut on)
    };
    assert!(matches!(run(&path, Existing::Replace), Err(Error::OutputIsInput { .. })));
    let other = root.path().join("other.gguf");
    run(&other, Existing::Refuse).unwrap();
    assert!(run(&other, Existing::Refuse).is_err());
    run(&other, Existing::Replace).unwrap();
    assert_eq!(names(root.path()), ["model.gguf", "other.gguf"]);
}
