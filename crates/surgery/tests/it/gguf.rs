//! Adapters for llama.cpp, against its own converter.

use crate::common::{adapter, adapter_folder, base, names, random_lora, read};
use rankine_checkpoint::adapter::Initialisation;
use rankine_checkpoint::gguf::{Gguf, Value};
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Existing, Tensors};
use rankine_surgery::{Error, GgufExport, GgufOutput, Merged, Obstacle, export, plan_export};
use rankine_testkit::assert_close;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn exported(base: &Checkpoint, adapter: &Adapter, dtype: Dtype) -> (Gguf, GgufExport) {
    let root = TempDir::new().unwrap();
    let target = root.path().join("lora.gguf");
    let output = GgufOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new(), dtype };
    let export = export(base, adapter, &output).unwrap();
    assert_eq!(names(root.path()), ["lora.gguf"]);
    let bytes = std::fs::read(&target).unwrap();
    assert_eq!(bytes.len() as u64, export.bytes);
    (Gguf::from_bytes("lora.gguf", bytes).unwrap(), export)
}

/// The adapter as the converter was given it.
fn given(name: &str) -> Adapter {
    let mut adapter = adapter(name);
    adapter.config.dora = false;
    adapter.low_rank.values_mut().for_each(|low_rank| low_rank.magnitude = None);
    adapter
}

#[test]
fn agrees_with_the_converter_of_llama_cpp() {
    let cases = [
        ("plain", "plain", "llama_untied", Dtype::F32),
        ("plain_f16", "plain", "llama_untied", Dtype::F16),
        ("plain_bf16", "plain", "llama_untied", Dtype::Bf16),
        ("mistral", "plain", "mistral", Dtype::F32),
        ("patterns", "patterns", "llama_untied", Dtype::F32),
        ("patterns_rslora", "patterns_rslora", "llama_untied", Dtype::F32),
        ("embedding", "embedding", "llama_untied", Dtype::F32),
        ("head", "head", "llama_untied", Dtype::F32),
        ("qwen2", "qwen2", "qwen2", Dtype::F32),
        ("qwen3", "qwen3", "qwen3", Dtype::F32),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf");
    for (name, adapter, model, dtype) in cases {
        let theirs = Gguf::open(folder.join(format!("{name}.gguf"))).unwrap();
        let (ours, export) = exported(&base(model), &given(&format!("testkit/{adapter}")), dtype);
        for key in ["general.architecture", "general.type", "adapter.type", "adapter.lora.alpha"] {
            assert_eq!(ours.metadata().get(key), theirs.metadata().get(key), "{name}: {key}");
        }
        assert_eq!(ours.infos().len(), theirs.infos().len(), "{name}");
        assert_eq!(2 * export.modules.len(), ours.infos().len(), "{name}");
        for (tensor, info) in theirs.infos() {
            assert_eq!(ours.infos().get(tensor), Some(info), "{name}: {tensor}");
            // Their B has peft's scale in f64, ours the scale as it is kept, in f32; plain ones have none.
            let relative = if name.starts_with("patterns") { 2e-7 } else { 0.0 };
            let (found, expected) = (read(&ours, tensor), read(&theirs, tensor));
            assert_close!(found, expected, relative = relative, "{name}: {tensor}");
        }
    }
}

/// What llama.cpp makes of the file, by its own formula and in its own order of rows, is what merging makes of the adapter.
#[test]
fn llama_cpp_arrives_at_the_merged_weights() {
    for (model, name) in [
        ("llama_untied", "testkit/patterns_rslora"),
        ("llama_untied", "testkit/rslora"),
        ("qwen2", "testkit/qwen2"),
    ] {
        let (base, adapter) = (base(model), adapter(name));
        let (file, export) = exported(&base, &adapter, Dtype::F32);
        let Some(&Value::F32(alpha)) = file.metadata().get("adapter.lora.alpha") else { panic!("{name}") };
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        for module in &export.modules {
            let [a, b] = ["lora_a", "lora_b"].map(|factor| format!("{}.{factor}", module.tensor));
            let (rank, width) = (file.infos()[&a].shape[0], file.infos()[&a].shape[1]);
            let (a, b) = (read(&file, &a), read(&file, &b));
            let height = b.len() / rank;
            let scale = f64::from(alpha) / rank as f64;
            let heads = match module.tensor.as_str() {
                _ if model != "llama_untied" => None,
                tensor if tensor.contains("attn_q") => Some(base.config().heads),
                tensor if tensor.contains("attn_k") => Some(base.config().key_value_heads),
                _ => None,
            };
            // reshape(heads, 2, half).swapaxes(1, 2), written out.
            let place = |row: usize| {
                heads.map_or(row, |heads| {
                    let half = height / heads / 2;
                    let (head, side, j) = (row / (2 * half), row / half % 2, row % half);
                    (head * half + j) * 2 + side
                })
            };
            let tensor = format!("{}.weight", module.module);
            let mut expected = base.read(&tensor).unwrap();
            for (at, x) in expected.iter_mut().enumerate() {
                let (row, column) = (place(at / width), at % width);
                let terms =
                    (0..rank).map(|k| f64::from(b[row * rank + k]) * f64::from(a[k * width + column]));
                *x += (scale * terms.sum::<f64>()) as f32;
            }
            assert_close!(read(&merged, &tensor), expected, absolute = 1e-5, "{name}: {tensor}");
        }
    }
}

#[test]
fn a_plan_of_an_export_is_what_is_written_and_nothing_lies_among_the_inputs() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/plain"));
    let root = TempDir::new().unwrap();
    let (target, inputs) = (root.path().join("lora.gguf"), vec![root.path().join("read")]);
    let output = GgufOutput { target: &target, existing: Existing::Refuse, inputs, dtype: Dtype::F16 };
    let planned = plan_export(&base, &adapter, &output).unwrap();
    assert!(names(root.path()).is_empty());
    assert_eq!(export(&base, &adapter, &output).unwrap(), planned);
    assert_eq!(std::fs::metadata(&target).unwrap().len(), planned.bytes);
    let inside = root.path().join("read/lora.gguf");
    std::fs::create_dir(root.path().join("read")).unwrap();
    let output = GgufOutput { target: &inside, ..output };
    for refused in [plan_export(&base, &adapter, &output), export(&base, &adapter, &output)] {
        assert!(matches!(refused, Err(Error::OutputInInput { .. })), "{refused:?}");
    }
    assert_eq!(names(root.path()), ["lora.gguf", "read"]);
}

#[test]
fn scales_are_folded_where_they_differ_and_numbers_stay_where_not() {
    let base = base("llama_untied");
    let folded = |adapter: &Adapter| {
        let (_, export) = exported(&base, adapter, Dtype::F32);
        (export.alpha, export.modules.iter().map(|module| module.folded).collect::<Vec<_>>())
    };
    let plain = random_lora(base.tensors(), &["v_proj"]);
    assert_eq!(folded(&plain), (4.5, vec![1.0; 2]));
    let mut halved = plain.clone();
    halved.low_rank.values_mut().for_each(|low_rank| low_rank.scaling = 0.75);
    assert_eq!(folded(&halved), (4.5, vec![0.5; 2]));
    // llama.cpp takes an alpha of 0 for a scale of 1.
    let mut nothing = plain;
    nothing.config.alpha = 0.0;
    nothing.low_rank.values_mut().for_each(|low_rank| low_rank.scaling = 0.0);
    assert_eq!(folded(&nothing), (3.0, vec![0.0; 2]));
}

#[track_caller]
fn refused(base: &Checkpoint, adapter: &Adapter, expected: Obstacle, named: &str) {
    let root = TempDir::new().unwrap();
    let target = root.path().join("lora.gguf");
    let inputs = Vec::new();
    let output = GgufOutput { target: &target, existing: Existing::Refuse, inputs, dtype: Dtype::F32 };
    let error = export(base, adapter, &output).unwrap_err();
    let Error::NotInGguf { name, obstacle } = &error else { panic!("{error}") };
    assert_eq!(*obstacle, expected);
    assert!(name.contains(named) && error.hint().is_some(), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn what_such_a_file_cannot_hold_is_refused_by_name() {
    let (untied, tied) = (base("llama_untied"), base("llama_tied"));
    let mut altered = adapter("testkit/plain");
    altered.config.initialisation = Initialisation::Pissa;
    refused(&untied, &altered, Obstacle::AlteredBase, "init_lora_weights");
    refused(&untied, &adapter("testkit/dora"), Obstacle::Magnitudes, "_proj");
    refused(&untied, &adapter("testkit/lora_bias"), Obstacle::Bias, "_proj");
    refused(&untied, &adapter("testkit/bias_all"), Obstacle::Bias, ".bias");
    refused(&untied, &adapter("testkit/modules_to_save"), Obstacle::Whole, ".weight");
    refused(&untied, &adapter("testkit/trainable_tokens"), Obstacle::Rows, "embed_tokens");
    refused(&tied, &adapter("testkit/embedding_tied"), Obstacle::Tied, "embed_tokens");
    refused(&tied, &adapter("testkit/head_tied"), Obstacle::Tied, "lm_head");
}

#[test]
fn an_adapter_of_another_base_and_numbers_too_large_are_refused() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("deep/lora.gguf");
    let refused = |base: &Checkpoint, adapter: &Adapter, dtype| {
        let output = GgufOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new(), dtype };
        let error = export(base, adapter, &output).unwrap_err();
        assert!(error.hint().is_some() && names(root.path()).is_empty(), "{error}");
        error.to_string()
    };
    let base = base("llama_untied");
    assert!(refused(&base, &given("testkit/qwen3"), Dtype::F32).contains("q_proj"));
    let mut large = random_lora(base.tensors(), &["v_proj"]);
    large.low_rank[0].b[1] = 1e6;
    assert!(refused(&base, &large, Dtype::F16).contains("blk.0.attn_v.weight.lora_b"));
    assert!(refused(&base, &large, Dtype::I8).contains("I8"));
}

#[test]
fn only_gguf_files_that_are_not_read_are_replaced() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/plain"));
    let root = TempDir::new().unwrap();
    let write = |target: &Path, existing, inputs: Vec<PathBuf>| {
        export(&base, &adapter, &GgufOutput { target, existing, inputs, dtype: Dtype::F32 })
    };
    let target = root.path().join("lora.gguf");
    std::fs::write(&target, "mine").unwrap();
    let error = write(&target, Existing::Refuse, Vec::new()).unwrap_err();
    assert!(error.hint().unwrap().contains("--force"), "{error}");
    let error = write(&target, Existing::Replace, Vec::new()).unwrap_err();
    assert!(matches!(error, Error::OutputIsForeign { .. }), "{error}");
    std::fs::write(&target, "GGUF, more or less").unwrap();
    let error = write(&target, Existing::Replace, vec![target.clone()]).unwrap_err();
    assert!(matches!(error, Error::OutputIsInput { .. }), "{error}");
    assert_eq!(std::fs::read(&target).unwrap(), b"GGUF, more or less");
    write(&target, Existing::Replace, vec![adapter_folder("testkit/plain")]).unwrap();
    assert_eq!(Gguf::open(&target).unwrap().infos().len(), 12);
}
